// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "token/token.hpp"

namespace msi2imds::migration {

// What a token says of who holds it and what for. No part of the token that could be used as one is in here.
struct Claims {
  std::map<std::string, std::string, std::less<>> names;  // those of kComparedClaims that are there
  std::int64_t lifetime = 0;                              // seconds from its issue to its end; 0: not told
};

// By these a service knows the caller (Microsoft's access token claims reference).
inline constexpr std::string_view kComparedClaims[] = {"aud", "iss", "tid",  // NOLINT(*-avoid-c-arrays)
                                                       "oid", "sub", "appid", "azp", "roles", "xms_mirid"};

// Reads the payload of a JSON web token, whose signature is the services' business.
[[nodiscard]] Result<Claims> read_claims(std::string_view token);

// How a caller would name the identity that these are of; of kind none where they do not tell.
[[nodiscard]] token::IdentitySelector identity_of(const Claims& claims);

// One sentence for each claim that is not the same in both; empty: to a service they are the same caller.
[[nodiscard]] std::vector<std::string> differences(const Claims& extension, const Claims& imds);

}  // namespace msi2imds::migration
