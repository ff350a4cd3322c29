// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <array>
#include <optional>
#include <string>

namespace msi2imds::resolver {

// As whom a process acts: real, effective, saved and file system id of its first thread.
struct Credentials {
  std::array<uid_t, 4> uids{};
  std::array<gid_t, 4> gids{};

  // All four are the same: it runs no setuid or setgid program, or that has settled for one user and group.
  [[nodiscard]] bool are_plain() const;

  friend bool operator==(const Credentials&, const Credentials&) = default;
};

// Nothing, if there is no such process. `proc` is /proc, or a tree like it.
[[nodiscard]] std::optional<Credentials> read_credentials(const std::string& proc, pid_t pid);

}  // namespace msi2imds::resolver
