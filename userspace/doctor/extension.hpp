// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// The retired extension as the Azure agent has it, its process and unit, and the file that leads to its port.
[[nodiscard]] Findings check_extension(const Host& host);

}  // namespace msi2imds::doctor
