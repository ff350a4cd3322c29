// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Distribution, kernel, cgroups, service manager, what Azure calls it, and whether we may look at all.
[[nodiscard]] Findings check_machine(const Host& host, const Result<migration::ReachedImds>& imds);

}  // namespace msi2imds::doctor
