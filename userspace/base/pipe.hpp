// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds {

// A pipe's end to read from, which already holds all of `text`. Fails with EMSGSIZE where a pipe cannot hold
// as much.
[[nodiscard]] Result<UniqueFd> pipe_with(std::string_view text);

}  // namespace msi2imds
