// SPDX-License-Identifier: MIT
#pragma once

#include "base/error.hpp"

namespace msi2imds::resolver {

// How many descriptors the reader of /proc may have open: two for each search at a time, and a few more. A
// search that cannot open a process's directory overlooks what that process holds.
inline constexpr int kReaderDescriptors = 1024;

// The descriptors that the reader of /proc has, beside stdin, stdout and stderr.
inline constexpr int kReaderSocket = 3;
inline constexpr int kReaderCgroupRoot = 4;

// From here on this process can read what any user's process has in /proc, and any file, and tell it through
// kReaderSocket; nothing else: it makes, changes and removes nothing, starts nothing, signals nobody and has
// no network (those system calls fail with EPERM). False: this kernel has no filters of system calls.
//
// There is no Landlock: whoever is in one of its domains may no longer look at processes outside it, whatever
// paths are allowed.
[[nodiscard]] Result<bool> enter_cage();

}  // namespace msi2imds::resolver
