// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "audit/log.hpp"
#include "base/holder.hpp"
#include "http/limits.hpp"
#include "legacy/parse.hpp"
#include "policy/identity_choice.hpp"
#include "policy/policy.hpp"

namespace msi2imds::responder {

// The responder's part of the configuration.
struct Settings {
  http::Limits limits;
  legacy::Rules rules;
  Holders holders;
  std::size_t max_connections = 16384;
  std::size_t spare_connections = 1024;  // may wait for a place; as many are served beyond the limit
  std::vector<std::uint16_t> legacy_ports;
  policy::IdentityChoice identities;
  policy::Policy policy;
  audit::Settings audit;
  std::int64_t quiet_days = 35;  // until the endpoint may be called unused
};

}  // namespace msi2imds::responder
