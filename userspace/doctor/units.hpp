// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Which of our units have failed, at which step, and why, as far as systemd knows. Says nothing where systemd
// does not run.
[[nodiscard]] Findings check_units(const Host& host);

}  // namespace msi2imds::doctor
