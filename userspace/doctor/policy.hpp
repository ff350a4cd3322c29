// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/case.hpp"
#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// Whether the rules of who may ask let anybody through. Says nothing where there is nothing to say of them.
[[nodiscard]] Findings check_policy(const Case& patient);

}  // namespace msi2imds::doctor
