// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/case.hpp"
#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// The way to IMDS, and whether it answers.
[[nodiscard]] Findings check_imds(const Case& patient, const Result<migration::Instance>& instance);

}  // namespace msi2imds::doctor
