// SPDX-License-Identifier: MIT
#pragma once

#include "config/config.hpp"
#include "policy/identity_choice.hpp"
#include "policy/policy.hpp"

namespace msi2imds::cli {

[[nodiscard]] policy::Policy make_policy(const config::Config& config);
[[nodiscard]] policy::IdentityChoice make_identity_choice(const config::Config& config);

}  // namespace msi2imds::cli
