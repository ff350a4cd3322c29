// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace msi2imds::confinement {

// Gives this process a mount, an IPC and a UTS namespace of its own; returns those that it was permitted.
// Mounts that the machine ends afterwards end there, too.
[[nodiscard]] std::vector<std::string> take_own_namespaces();

}  // namespace msi2imds::confinement
