// SPDX-License-Identifier: MIT
#include "caller/seen_connections.hpp"

#include <arpa/inet.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <utility>

#include "abi.h"
#include "caller/agreement.hpp"
#include "caller/dialler.hpp"

namespace msi2imds::caller {
namespace {

constexpr std::chrono::seconds kGoodFor{1};
constexpr std::size_t kSize = SEEN_CONNECTIONS * sizeof(seen_connection);

// Nothing while somebody writes it, or has meanwhile.
std::optional<seen_connection> read_slot(const seen_connection& slot) {
  const std::uint64_t before = __atomic_load_n(&slot.version, __ATOMIC_ACQUIRE);
  if (before % 2 != 0) {
    return std::nullopt;
  }
  seen_connection read{};
  std::memcpy(&read, &slot, sizeof read);
  std::atomic_thread_fence(std::memory_order_acquire);
  return __atomic_load_n(&slot.version, __ATOMIC_RELAXED) == before ? std::optional(read) : std::nullopt;
}

bool is_of(const seen_connection& seen, const Handshake& connection) {
  const int family = seen.is_ipv6 != 0 ? AF_INET6 : AF_INET;
  return seen.first_sequence == connection.first_sequence &&
         SocketAddress::from_network(family, &seen.client, seen.client_port) == connection.client &&
         SocketAddress::from_network(family, &seen.server, seen.server_port) == connection.server;
}

// An even number: whoever writes at this moment began before.
std::uint64_t version_of(const seen_connection& slot) {
  const std::uint64_t version = __atomic_load_n(&slot.version, __ATOMIC_ACQUIRE);
  return version + version % 2;
}

bool is_fresh(const seen_connection& seen) {
  timespec now{};
  (void)::clock_gettime(CLOCK_BOOTTIME, &now);
  const std::chrono::nanoseconds age = std::chrono::seconds(now.tv_sec) +
                                       std::chrono::nanoseconds(now.tv_nsec) -
                                       std::chrono::nanoseconds(seen.who.since_boot);
  return age < kGoodFor;
}

Clues clues_of_maker(const seen_connection& seen) {
  Clues clues;
  clues.cookie = seen.who.cookie;
  clues.has_uid = true;
  clues.uid = seen.maker;
  clues.has_cgroup_id = true;
  clues.cgroup_id = seen.maker_cgroup;
  return clues;
}

}  // namespace

void SeenConnections::Unmap::operator()(const seen_connection* first) const noexcept {
  (void)::munmap(const_cast<seen_connection*>(first), kSize);
}

SeenConnections::SeenConnections(Slots slots) : slots_(std::move(slots)), taken_(SEEN_CONNECTIONS) {
  const seen_connection* const first = slots_.get();
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    taken_[i] = version_of(first[i]);
  }
}

Result<SeenConnections> SeenConnections::map(const UniqueFd& array) {
  void* mapped = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, array.get(), 0);
  if (mapped == MAP_FAILED) {
    return Error::from_errno(errno, "map the observer's notes of connections");
  }
  return SeenConnections(Slots(static_cast<const seen_connection*>(mapped)));
}

std::optional<SeenConnection> SeenConnections::take(const Handshake& connection) {
  const std::size_t place = slot_of_client_port(connection.client.port());
  const std::optional<seen_connection> seen = read_slot(slots_.get()[place]);
  if (!seen) {  // perhaps it is this connection's that is being written: nobody else is to take it later
    drop(connection.client.port());
    return std::nullopt;
  }
  if (seen->version <= taken_[place] || !is_of(*seen, connection)) {
    return std::nullopt;
  }
  taken_[place] = seen->version;
  if (!is_fresh(*seen)) {
    return std::nullopt;
  }
  return SeenConnection{.clues = join(clues_of_maker(*seen), clues_of(seen->who)),
                        .dialled = address_of(seen->who.dialled)};
}

void SeenConnections::drop(std::uint16_t client_port) {
  const std::size_t place = slot_of_client_port(client_port);
  taken_[place] = version_of(slots_.get()[place]);
}

}  // namespace msi2imds::caller
