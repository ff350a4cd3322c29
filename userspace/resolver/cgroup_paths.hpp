// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/unique_fd.hpp"

namespace msi2imds::resolver {

// The paths of cgroups by their ids, which are the inode numbers of their directories and never used again.
class CgroupPaths {
 public:
  // The root directory of the cgroup2 hierarchy; none: nothing is ever found.
  explicit CgroupPaths(UniqueFd root) : root_(std::move(root)) {}

  // Where the kernel cannot open it by its id, walks the hierarchy for one that is new; not more often than
  // every 200 ms.
  [[nodiscard]] std::optional<std::string> find(std::uint64_t id);

  // Whether nobody but `owner` may make cgroups in that one, or in one above it. False where that cannot be
  // seen.
  [[nodiscard]] bool only_owner_may_add_below(std::string_view path, uid_t owner) const;

 private:
  void walk();

  UniqueFd root_;
  std::unordered_map<std::uint64_t, std::string> paths_;
  std::chrono::steady_clock::time_point walked_;
};

}  // namespace msi2imds::resolver
