// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// The way to IMDS, and whether it answers.
[[nodiscard]] Findings check_imds(const Host& host, const Result<migration::ReachedImds>& reached);

}  // namespace msi2imds::doctor
