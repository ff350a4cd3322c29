// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Whether the rules of who may ask let anybody through. Says nothing where there is nothing to say of them.
[[nodiscard]] Findings check_policy(const Host& host);

}  // namespace msi2imds::doctor
