// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace msi2imds::resolver {

// A file as the kernel's own structures name it.
struct KernelFile {
  std::uint64_t inode = 0;
  std::uint32_t device = 0;
};

// Whether the path leads to that file. `mounts` is the mountinfo of a process that lives where it lies: the
// kernel's number of a device is that of the mount, and not always (Btrfs, overlays) what stat() tells.
[[nodiscard]] bool is_file(const std::string& path, const KernelFile& file, const std::string& mounts);

}  // namespace msi2imds::resolver
