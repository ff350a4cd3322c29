// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace msi2imds {

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t size = 0;  // in bytes; 0: not UTF-8
};

// What a text that is not empty begins with; neither overlong forms nor surrogates are UTF-8.
[[nodiscard]] CodePoint first_code_point(std::string_view text);

// Whether it is one of a character's bytes after its first.
[[nodiscard]] constexpr bool is_utf8_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

}  // namespace msi2imds
