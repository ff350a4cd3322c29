// SPDX-License-Identifier: MIT
#pragma once

#include "config/config.hpp"
#include "policy/policy.hpp"

namespace msi2imds::cli {

// The configuration's rules, ready to judge.
[[nodiscard]] policy::Policy make_policy(const config::Config& config);

}  // namespace msi2imds::cli
