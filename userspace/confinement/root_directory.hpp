// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::confinement {

// A directory of this process's user that nothing is in, and nothing can ever be: its name, in `parent`, is
// gone by now.
[[nodiscard]] Result<UniqueFd> make_empty_directory(const std::string& parent);

// Makes it the root and working directory of this process. False: that is not permitted here.
[[nodiscard]] Result<bool> use_as_root(const UniqueFd& directory);

}  // namespace msi2imds::confinement
