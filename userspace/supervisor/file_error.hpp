// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/error.hpp"

namespace msi2imds::supervisor {

// What failed with `path`, which is named behind `what`. Where permission is denied it says whose file or
// directory is in the way, and what would be right: root may do there what its owner may, but no more, since
// the supervisor does without CAP_DAC_OVERRIDE.
[[nodiscard]] Error file_error(int err, const std::string& what, const std::string& path);

}  // namespace msi2imds::supervisor
