// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/case.hpp"
#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// Other programs that have to do with IMDS or look like the extension, and firewalls.
[[nodiscard]] Findings check_neighbours(const Case& patient);

}  // namespace msi2imds::doctor
