// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::loader {

// The directory of a cgroup, named from the root of the cgroup2 hierarchy ("/" is the root). Where nobody has
// mounted cgroup2, a mount of our own is made, used and taken away again: the hierarchy is there all the
// same, with every process in its root.
[[nodiscard]] Result<UniqueFd> open_cgroup(const std::string& path);

// Where nobody has mounted cgroup2, its root stays open from here on, for a process that will no longer be
// able to mount it.
void keep_unmounted_root();

using CgroupVisitor = std::function<void(int directory, const std::string& path)>;

// Shows each cgroup that can be seen from here, and its name as above. Those that come or go meanwhile may be
// left out.
void visit_cgroups(const CgroupVisitor& visit);

}  // namespace msi2imds::loader
