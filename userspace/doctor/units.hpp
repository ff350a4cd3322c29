// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/case.hpp"
#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// Which of our units have failed, at which step, and why, as far as systemd knows. Says nothing where systemd
// does not run.
[[nodiscard]] Findings check_units(const Case& patient);

}  // namespace msi2imds::doctor
