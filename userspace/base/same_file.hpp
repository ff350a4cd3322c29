// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

namespace msi2imds {

// Whether both tell of one file, under whatever names.
[[nodiscard]] inline bool is_same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace msi2imds
