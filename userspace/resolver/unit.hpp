// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

// What the path of a cgroup tells.
namespace msi2imds::resolver {

// The unit of the system's service manager: the first part of the path that is no slice, as systemd reads it
// (cg_path_get_unit). Whatever a user's own manager runs is below its unit, user@1000.service, and belongs to
// that: a user's unit of the same name as a system's is another. Empty: there is none.
[[nodiscard]] std::string unit_of(std::string_view cgroup);

// Whether the path alone says that nobody but root can have named the cgroup of that container: it is in no
// other container, nor below a user's slice or a service, which may be given to a user.
[[nodiscard]] bool container_is_verified(std::string_view cgroup);

// What stands above the outermost container in the path; without one, all of it.
[[nodiscard]] std::string_view above_container(std::string_view cgroup);

// The id of the container that the path names, as Docker, containerd, CRI-O and Podman do; empty: none.
[[nodiscard]] std::string container_of(std::string_view cgroup);

}  // namespace msi2imds::resolver
