// SPDX-License-Identifier: MIT
#include "cli/policy.hpp"

#include <utility>
#include <vector>

namespace msi2imds::cli {

policy::Policy make_policy(const config::Config& config) {
  std::vector<policy::Rule> rules;
  for (const config::Allow& allow : config.allow) {
    rules.push_back({.name = allow.name,
                     .origin = allow.origin,
                     .uids = allow.uids,
                     .gids = allow.gids,
                     .units = allow.units,
                     .programs = allow.programs,
                     .resources = allow.resources,
                     .identities = allow.identities});
  }
  return {
      config.policy.mode == config::PolicyMode::enforce ? policy::Mode::enforce : policy::Mode::audit,
      config.policy.default_ == config::PolicyDefault::allow ? policy::Default::allow : policy::Default::deny,
      std::move(rules)};
}

}  // namespace msi2imds::cli
