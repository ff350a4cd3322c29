// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "token/token.hpp"
#include "usage/table.hpp"

namespace msi2imds::migration {

// What the extension and IMDS say to one and the same request. Holds no token.
struct Comparison {
  enum class Outcome {
    same,                // to a service both tokens are the same caller, or both refuse
    different,           // an application would notice
    not_comparable,      // one of them gave no answer
    nothing_to_compare,  // the extension is not on this machine, and IMDS answers
  };
  bool imds_gives_token = false;  // else it refuses, or does not answer
  std::string resource;
  std::string identity;  // empty: none was named
  std::uint16_t port = 0;
  Outcome outcome = Outcome::not_comparable;
  std::vector<std::string> reasons;  // sentences; for `same` what is worth knowing
  // The line of the configuration with which callers that name no identity get the extension's; empty: there
  // is none to write.
  std::string setting;
};

[[nodiscard]] const char* to_string(Comparison::Outcome outcome);

// The extension's port, and whether the extension is on this machine at all.
struct ExtensionSide {
  std::uint16_t port = 0;
  bool is_present = true;
};

// Asks both, the extension around our own redirection, and IMDS as msi2imds asks it: for identity.default
// where the request names none.
[[nodiscard]] Comparison compare(const config::Config& config, const ExtensionSide& extension,
                                 token::TokenRequest request);

// The requests that callers have made, as far as they were seen: each resource with each identity of the same
// caller, each once, at most `most`. That may be one too many: exact requests are recorded of the last days'
// tokens only (usage/grants.hpp), while this looks back for months, also on what was refused. Where nothing
// was seen, Azure's management API without an identity. Who got `default_identity` may have named none.
[[nodiscard]] std::vector<token::TokenRequest> requests_in_use(
    const usage::Table& table, std::size_t most, const token::IdentitySelector& default_identity = {});

// The request as msi2imds passes it on for callers whom no rule matches.
[[nodiscard]] token::TokenRequest with_default(token::TokenRequest request, const config::Identity& identity);

// How a text names an identity: a resource id by its slash, else a client id.
[[nodiscard]] token::IdentitySelector selector_of(const std::string& identity);

}  // namespace msi2imds::migration
