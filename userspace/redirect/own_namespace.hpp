// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <cstdint>

namespace msi2imds::redirect {

// The inode by which the kernel names our network namespace; 0, if it cannot be had.
[[nodiscard]] inline std::uint64_t own_namespace() {
  struct stat own {};
  return ::stat("/proc/self/ns/net", &own) == 0 ? own.st_ino : 0;
}

}  // namespace msi2imds::redirect
