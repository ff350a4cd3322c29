// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/case.hpp"
#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// Distribution, kernel, cgroups, service manager, what Azure calls it, and whether we may look at all.
[[nodiscard]] Findings check_machine(const Case& patient, const Result<migration::Instance>& instance);

}  // namespace msi2imds::doctor
