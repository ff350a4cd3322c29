// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/text.hpp"

namespace msi2imds::legacy {

constexpr std::size_t kEscapeLength = 3;  // %2F

// The byte that a text's first three characters stand for, if they are a percent sign and two digits.
[[nodiscard]] inline std::optional<char> decode_escape(std::string_view text) {
  if (text.size() < kEscapeLength || text[0] != '%') {
    return std::nullopt;
  }
  const auto high = hex_digit(text[1]);
  const auto low = hex_digit(text[2]);
  if (!high || !low) {
    return std::nullopt;
  }
  return static_cast<char>(*high << 4U | *low);
}

}  // namespace msi2imds::legacy
