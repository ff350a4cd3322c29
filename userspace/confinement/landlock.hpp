// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"

namespace msi2imds::confinement {

// From here on this thread and all that it starts can open, make or change nothing by a path, but read what
// is below `readable`, nor bind or connect a TCP socket, nor reach abstract sockets and processes of others:
// as much of that as this kernel's Landlock can, whose version is returned; 0: it has none. Needs
// no_new_privs. What is open stays as it is.
[[nodiscard]] Result<int> allow_no_paths_but(const std::vector<std::string>& readable);

}  // namespace msi2imds::confinement
