// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/case.hpp"
#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// The retired extension as the Azure agent has it, its process and unit, and the file that leads to its port.
[[nodiscard]] Findings check_extension(const Case& patient);

}  // namespace msi2imds::doctor
