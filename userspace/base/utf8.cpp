// SPDX-License-Identifier: MIT
#include "base/utf8.hpp"

namespace msi2imds {

CodePoint first_code_point(std::string_view text) {
  const std::uint32_t first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) {
    return {first, 1};
  }
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) {
    return {};
  }
  std::uint32_t value = first & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if (!is_utf8_continuation(text[i])) {
      return {};
    }
    value = (value << 6U) | (static_cast<unsigned char>(text[i]) & 0x3fU);
  }
  const bool is_overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
  if (is_overlong || is_surrogate || value > 0x10ffff) {
    return {};
  }
  return {value, size};
}

}  // namespace msi2imds
