// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "policy/identity_choice.hpp"
#include "policy/policy.hpp"
#include "token/token.hpp"
#include "usage/grants.hpp"

namespace msi2imds::responder {

// What callers have got lately and would get now, each once, the latest first: who named no identity with the
// one that is chosen for it now, and nothing that the rules refuse or cannot decide.
[[nodiscard]] std::vector<token::TokenRequest> prefetch_list(const usage::Grants& grants,
                                                             const policy::IdentityChoice& identities,
                                                             const policy::Policy& policy, std::int64_t now);

}  // namespace msi2imds::responder
