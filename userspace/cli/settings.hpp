// SPDX-License-Identifier: MIT
#pragma once

#include "broker/settings.hpp"
#include "config/config.hpp"
#include "imds/imds_client.hpp"
#include "policy/identity_choice.hpp"
#include "policy/policy.hpp"
#include "responder/settings.hpp"

// What the modules that know nothing of the configuration take from it.
namespace msi2imds::cli {

[[nodiscard]] policy::Policy make_policy(const config::Config& config);
[[nodiscard]] policy::IdentityChoice make_identity_choice(const config::Config& config);
[[nodiscard]] imds::Settings imds_settings(const config::Config& config);
[[nodiscard]] broker::Settings broker_settings(const config::Config& config);
[[nodiscard]] responder::Settings responder_settings(const config::Config& config);

}  // namespace msi2imds::cli
