// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include "token/token.hpp"

namespace msi2imds::imds {

// How a token fits the request that it came for.
struct Match {
  enum class Identity : std::uint8_t {
    same,    // or not asked for by client_id, so that the token cannot tell
    unsaid,  // asked for by client_id, and the token names none
    other,
  };
  Identity identity = Identity::same;
  bool is_same_resource = true;

  [[nodiscard]] bool is_exact() const {
    return identity == Identity::same && is_same_resource;
  }
};

// The same resource to most who compare: without regard to letter case, and to one slash at the end.
[[nodiscard]] bool is_same_resource(std::string_view one, std::string_view other);

// Compares without regard to letter case, to one slash at the end of a resource, and to the punctuation of a
// GUID.
[[nodiscard]] Match match(const token::Token& token, const token::TokenRequest& request);

}  // namespace msi2imds::imds
