// SPDX-License-Identifier: MIT
#pragma once

#include "token/token.hpp"

namespace msi2imds::fuzz {

// Follows what a client has asked for on its way through a session. Stops the fuzzer unless what the policy
// judges, what the cache's key says and what IMDS is asked for are the same thing.
void follow(token::TokenRequest request);

}  // namespace msi2imds::fuzz
