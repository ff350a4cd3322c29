// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace msi2imds::kernel {

// A cgroup of this process alone, so that what a test attaches sees no other process of the machine. The
// process goes back, and the cgroup goes, at the end.
class ScratchCgroup {
 public:
  ScratchCgroup();
  ScratchCgroup(const ScratchCgroup&) = delete;
  ScratchCgroup& operator=(const ScratchCgroup&) = delete;
  ~ScratchCgroup();

  // From the root of cgroup2; empty where no cgroup2 is mounted.
  [[nodiscard]] static const std::string& path();
};

}  // namespace msi2imds::kernel
