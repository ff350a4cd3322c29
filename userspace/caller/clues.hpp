// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>

namespace msi2imds::caller {

// What the kernel has told of who made a connection, before anybody looks at /proc: of the client's socket
// (sock_diag), and of its connect() (the observer). Travels between processes as it is.
struct Clues {
  std::uint64_t cookie = 0;  // of the client's socket, as BPF programs see it; 0: not known
  std::uint64_t inode = 0;   // of the same; 0: not known
  std::uint64_t cgroup_id = 0;
  std::int64_t dialled_at = 0;  // ns since boot, with pid
  std::uint32_t uid = 0;
  // As the observer saw the connect(); without a pid the holder of the socket is looked for.
  std::int32_t pid = 0;
  std::uint32_t gid = 0;
  std::array<char, 16> comm{};
  bool has_uid = false;
  bool has_cgroup_id = false;
  bool wants_sha256 = false;  // of the program
  bool is_fresh = false;      // a rule depends on it: nothing may be answered from memory

  // Nothing that would lead to a process or a user.
  [[nodiscard]] bool are_none() const {
    return pid == 0 && inode == 0 && !has_uid;
  }
  [[nodiscard]] std::optional<uid_t> known_uid() const {
    return has_uid ? std::optional<uid_t>(uid) : std::nullopt;
  }

  friend bool operator==(const Clues&, const Clues&) = default;
};

}  // namespace msi2imds::caller
