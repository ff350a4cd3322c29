// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string_view>

// Text as HTTP sees it, whatever the locale: only ASCII letters have a case.
namespace msi2imds::legacy {

[[nodiscard]] inline char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

[[nodiscard]] inline bool equal_without_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, {}, to_lower, to_lower);
}

[[nodiscard]] inline bool starts_without_case(std::string_view text, std::string_view prefix) {
  return equal_without_case(text.substr(0, prefix.size()), prefix);
}

// Takes any of `characters` off both ends.
[[nodiscard]] inline std::string_view trim(std::string_view text, std::string_view characters) {
  text.remove_prefix(std::min(text.find_first_not_of(characters), text.size()));
  text.remove_suffix(text.size() - (text.find_last_not_of(characters) + 1));
  return text;
}

}  // namespace msi2imds::legacy
