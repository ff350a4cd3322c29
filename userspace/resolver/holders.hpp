// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace msi2imds::resolver {

// Which processes have these sockets open, by the sockets' inodes: a walk over all processes' descriptors.
[[nodiscard]] std::map<ino_t, std::vector<pid_t>> find_holders(const std::string& proc,
                                                               const std::set<ino_t>& inodes);

// Whether the process has the socket open.
[[nodiscard]] bool holds(const std::string& proc, pid_t pid, ino_t inode);

}  // namespace msi2imds::resolver
