// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string_view>

#include "token/token.hpp"

namespace msi2imds::broker {

// What makes two requests the same: the resource exactly as sent, the identity without regard to case, as
// IMDS compares it. Refers to a request that somebody else owns.
struct Key {
  std::string_view resource;
  token::SelectorKind kind = token::SelectorKind::none;
  std::string_view identity;
  bool bypass = false;  // IMDS is asked to pass its own cache by as well

  friend bool operator==(const Key& a, const Key& b);
};

[[nodiscard]] Key key_of(const token::TokenRequest& request);

// Whether a request is for that resource and identity; empty: any.
[[nodiscard]] bool is_named(const token::TokenRequest& request, std::string_view resource,
                            std::string_view identity);

struct KeyHash {
  std::size_t operator()(const Key& key) const;
};

}  // namespace msi2imds::broker
