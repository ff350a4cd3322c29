// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "netlink/endpoint.hpp"

namespace msi2imds::caller {

// Whether the client's socket and its connect() tell of the same caller.
enum class Agreement : std::uint8_t {
  unchecked,  // nobody can say: only the socket is known, and no process can be looked for
  unseen,     // the connect() was not seen: a process of the socket's user has to hold the socket
  agreed,
  another_user,    // whoever connected the socket is not the user who made it
  another_cgroup,  // nor the same cgroup
  // NAT had given the client another port, and what was found by that is not its socket. Who it is, a look at
  // the process tells.
  another_socket,
};

// A bool of which any byte may have arrived from another process; a bool of such a byte is undefined.
class Flag {
 public:
  constexpr Flag() = default;
  constexpr Flag(bool is_set) : byte_(is_set ? 1 : 0) {}
  constexpr operator bool() const {
    return byte_ != 0;
  }

 private:
  std::uint8_t byte_ = 0;
};

inline constexpr std::size_t kMostKnownGroups = 32;

// What the kernel has told of who made a connection, before anybody looks at /proc: of the client's socket
// (sock_diag), and of its connect() (the observer). Travels between processes as it is.
struct Clues {
  std::uint64_t cookie = 0;  // of the client's socket, as BPF programs see it; 0: not known
  std::uint64_t inode = 0;   // of the same; 0: not known
  std::uint64_t cgroup_id = 0;
  std::int64_t dialled_at = 0;  // ns since boot, with pid
  std::uint32_t uid = 0;        // who connected the socket, where that was seen; else who made it
  std::uint32_t maker = 0;      // with Agreement::another_user, who made it
  // As the observer saw the connect(); without a pid the holder of the socket is looked for.
  std::int32_t pid = 0;
  std::uint32_t gid = 0;  // effective; the real one where `started` is not known
  std::array<char, 16> comm{};
  // The same, where the kernel shows its structures.
  std::int64_t started = 0;  // the process, ns since boot; 0: none of these is known
  std::uint64_t program_inode = 0;
  std::uint32_t program_device = 0;  // as the kernel numbers it: not always what stat() tells
  std::uint32_t group_count = 0;
  std::array<std::uint32_t, kMostKnownGroups> groups{};  // supplementary
  // Where NAT led the client to us, its connection as our socket has it: only the kernel's memory of
  // translations tells by which addresses its own socket has it. Else of no family.
  netlink::Endpoint server_end;
  netlink::Endpoint client_end;
  Agreement agreement = Agreement::unchecked;
  Flag has_uid;
  Flag has_cgroup_id;
  Flag wants_sha256;  // of the program
  Flag is_fresh;      // a rule depends on it: nothing may be answered from memory

  // Nothing that would lead to a process or a user.
  [[nodiscard]] bool are_none() const {
    return pid == 0 && inode == 0 && !has_uid;
  }
  [[nodiscard]] bool was_translated() const {
    return client_end.family != AF_UNSPEC;
  }
  [[nodiscard]] std::optional<uid_t> known_uid() const {
    return has_uid ? std::optional<uid_t>(uid) : std::nullopt;
  }

  friend bool operator==(const Clues&, const Clues&) = default;
};

}  // namespace msi2imds::caller
