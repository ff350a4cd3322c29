// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/unique_fd.hpp"

namespace msi2imds::resolver {

// A line of proc_pid_mountinfo(5).
struct Mount {
  std::string id;
  std::uint64_t device = 0;  // as the kernel numbers it
  std::string type;          // of the file system, such as "overlay"
};

// Of a device's major and minor number.
[[nodiscard]] std::uint64_t as_the_kernel_numbers(unsigned major_number, unsigned minor_number);

// The id of the mount through which it was opened; empty: not known.
[[nodiscard]] std::string mount_of(const UniqueFd& file);

// Whether one of the mounts in that mountinfo is so.
[[nodiscard]] bool has_mount(const std::string& mountinfo, const std::function<bool(const Mount&)>& is_so);

}  // namespace msi2imds::resolver
