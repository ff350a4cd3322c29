// SPDX-License-Identifier: MIT
#include "cli/policy.hpp"

#include <utility>
#include <vector>

namespace msi2imds::cli {
namespace {

policy::Conditions conditions_of(const config::Conditions& conditions) {
  return {.uids = conditions.uids,
          .gids = conditions.gids,
          .units = conditions.units,
          .programs = conditions.programs,
          .resources = conditions.resources,
          .identities = conditions.identities};
}

}  // namespace

policy::Policy make_policy(const config::Config& config) {
  std::vector<policy::Rule> rules;
  for (const config::Allow& allow : config.allow) {
    rules.push_back(
        {.name = allow.name, .origin = allow.origin, .conditions = conditions_of(allow.conditions)});
  }
  return {
      config.policy.mode == config::PolicyMode::enforce ? policy::Mode::enforce : policy::Mode::audit,
      config.policy.default_ == config::PolicyDefault::allow ? policy::Default::allow : policy::Default::deny,
      std::move(rules)};
}

policy::IdentityChoice make_identity_choice(const config::Config& config) {
  std::vector<policy::IdentityRule> rules;
  for (const config::IdentityRule& rule : config.identity.rules) {
    rules.push_back({.name = rule.name,
                     .origin = rule.origin,
                     .conditions = conditions_of(rule.conditions),
                     .identity = rule.identity});
  }
  return {std::move(rules), config.identity.default_};
}

}  // namespace msi2imds::cli
