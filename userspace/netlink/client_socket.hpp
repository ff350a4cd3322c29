// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace msi2imds::netlink {

// What the kernel tells of a TCP socket. The uid means something only while the inode is not 0: a socket that
// its process has closed shows uid 0.
struct ClientSocket {
  uid_t uid = 0;
  ino_t inode = 0;
  std::uint64_t cookie = 0;
  std::optional<std::uint64_t> cgroup_id;  // not before Linux 5.7
  int state = 0;                           // TCP_ESTABLISHED and so on
};

}  // namespace msi2imds::netlink
