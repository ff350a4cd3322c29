// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "base/unique_fd.hpp"
#include "supervisor/other_network.hpp"

namespace msi2imds::supervisor {

// A container with a network that is not ours.
struct ContainerNetwork {
  std::uint64_t cgroup = 0;  // its id
  NetworkName network;
  UniqueFd open_network;  // where it was not known before
};

// Looks through the cgroups below `root`, that of cgroup2, for those that container runtimes make; not within
// services, which may be a user's. Whose word their names are is not looked at. Of each container one network
// is told: one that is `known`, else that of its first process. Takes some ten microseconds for each.
[[nodiscard]] std::vector<ContainerNetwork> find_container_networks(int root,
                                                                    const std::vector<NetworkName>& known);

}  // namespace msi2imds::supervisor
