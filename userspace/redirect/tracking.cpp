// SPDX-License-Identifier: MIT
#include "redirect/tracking.hpp"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"
#include "netlink/original_destination.hpp"
#include "redirect/errors.hpp"

namespace msi2imds::redirect {
namespace {

constexpr std::chrono::seconds kBetweenLooks{5};
constexpr int kLongestDial = 20;  // milliseconds

// Another one each time, since the kernel remembers a connection for some seconds.
std::string unused_address() {
  static unsigned count = 0;
  return fmt::format("127.109.115.{}", ++count % 250 + 1);
}

// It leaves nothing behind that would wait for its end.
UniqueFd make_brief_socket(const SocketAddress& address) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  return ::bind(socket.get(), address.get(), address.size()) == 0 ? std::move(socket) : UniqueFd();
}

// On the loopback it is by then, unless the machine is busy or a filter drops it.
bool is_connected(int socket) {
  pollfd written{.fd = socket, .events = POLLOUT, .revents = 0};
  return ::poll(&written, 1, kLongestDial) == 1 && written.revents == POLLOUT;
}

}  // namespace

std::optional<bool> is_tracked(std::uint16_t port, std::uint16_t listen_port) {
  const std::string address = unused_address();
  const UniqueFd listener = make_brief_socket(*SocketAddress::parse(address, port));
  const UniqueFd client = make_brief_socket(*SocketAddress::parse(address, listen_port));
  if (!listener || !client || ::listen(listener.get(), 1) != 0) {
    return std::nullopt;
  }
  const auto dialled = SocketAddress::local_of(listener.get());
  if (!dialled || (::connect(client.get(), dialled->get(), dialled->size()) != 0 && errno != EINPROGRESS)) {
    return std::nullopt;
  }
  // Of one that a filter refuses, which sees other ports than those of a redirected one, nothing is tracked.
  return is_connected(client.get()) ? netlink::is_tracked(client.get()) : std::nullopt;
}

Result<void> find_all_tracked(const std::vector<std::uint16_t>& ports, std::uint16_t listen_port) {
  if (is_tracked(0, listen_port) != std::optional(true)) {
    return {};  // the kernel tracks nothing yet, or what is wrong is not about these ports
  }
  return TrackingWatch(ports, listen_port).check();
}

Result<void> TrackingWatch::check() {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) {
    return found_;
  }
  next_ = now + kBetweenLooks;
  found_ = {};
  for (const std::uint16_t port : ports_) {
    if (found_ && is_tracked(port, listen_port_) == std::optional(false)) {
      found_ = Error(Errc::untracked, fmt::format("lead connections to port {} here", port));
    }
  }
  return found_;
}

}  // namespace msi2imds::redirect
