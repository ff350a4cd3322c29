// SPDX-License-Identifier: MIT
#include "cli/settings.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "accounts/getent.hpp"
#include "supervisor/descriptor_limit.hpp"

namespace msi2imds::cli {

static_assert(policy::kNotYetKnown == accounts::kNotYetKnown);

namespace {

policy::Conditions conditions_of(const config::Conditions& conditions) {
  return {.uids = conditions.uids,
          .gids = conditions.gids,
          .units = conditions.units,
          .programs = conditions.programs,
          .sha256s = conditions.sha256s,
          .containers = conditions.containers,
          .container_names = conditions.container_names,
          .container_images = conditions.container_images,
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

imds::Settings imds_settings(const config::Config& config) {
  const config::Endpoint& endpoint = config.imds.endpoint;
  const std::string host = endpoint.v6 ? "[" + endpoint.address + "]" : endpoint.address;
  return {.host = endpoint.port == 80 ? host : host + ":" + std::to_string(endpoint.port),
          .max_in_flight = config.imds.max_in_flight,
          .connect_timeout = config.imds.connect_timeout,
          .request_timeout = config.imds.request_timeout};
}

broker::Settings broker_settings(const config::Config& config) {
  return {.cache = config.tokens.cache,
          .expiry_margin = config.tokens.expiry_margin,
          .max_age = config.tokens.max_age,
          .max_bytes = config.tokens.max_bytes,
          .survive_restart = config.tokens.survive_restart,
          .max_rate = config.imds.max_rate,
          .max_in_flight = config.imds.max_in_flight,
          .deadline = config.imds.deadline,
          .boot_grace = config.imds.boot_grace};
}

responder::Settings responder_settings(const config::Config& config) {
  responder::Settings settings;
  settings.limits.request_time = config.responder.request_timeout;
  settings.limits.idle_time = config.responder.idle_timeout;
  settings.rules.require_metadata_header = config.legacy.require_metadata_header;
  settings.rules.extra_hosts = config.legacy.hosts;
  settings.legacy_ports = config.legacy.ports;
  settings.identities = make_identity_choice(config);
  settings.policy = make_policy(config);
  settings.audit.format =
      config.audit.format == config::AuditFormat::json ? audit::Format::json : audit::Format::text;
  settings.audit.max_rate = config.audit.max_rate;
  settings.quiet_days = config.retire.quiet_days;
  settings.max_connections =
      std::min<std::size_t>(config.responder.max_connections, supervisor::connections_within_limit());
  settings.spare_connections = supervisor::spare_connections(settings.max_connections);
  return settings;
}

}  // namespace msi2imds::cli
