// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

// What this machine can do for msi2imds, and what stands in the way.
namespace msi2imds::doctor {

// Runs all checks, one after the other. None changes anything, and none keeps the others from running.
[[nodiscard]] Findings examine(const Host& host);

}  // namespace msi2imds::doctor
