// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

// Text as protocols see it, whatever the locale: only ASCII letters have a case.
namespace msi2imds {

inline constexpr std::string_view kWhiteSpace = " \t\r\n";

[[nodiscard]] constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

[[nodiscard]] inline std::string to_lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) { return to_lower(c); });
  return lower;
}

[[nodiscard]] inline bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, [](char a, char b) { return to_lower(a) == to_lower(b); });
}

[[nodiscard]] inline bool starts_ignoring_case(std::string_view text, std::string_view prefix) {
  return equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

// Takes any of `characters` off both ends.
[[nodiscard]] inline std::string_view trim(std::string_view text, std::string_view characters = kWhiteSpace) {
  text.remove_prefix(std::min(text.find_first_not_of(characters), text.size()));
  text.remove_suffix(text.size() - (text.find_last_not_of(characters) + 1));
  return text;
}

// The number that the whole text is: digits alone, after a minus where Number has one.
template <std::integral Number>
[[nodiscard]] std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stop, ec] = std::from_chars(text.data(), end, number, base);
  return ec == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

// "1,234,567"
[[nodiscard]] inline std::string with_separators(std::uint64_t number) {
  constexpr std::size_t kGroup = 3;
  std::string text = std::to_string(number);
  for (std::size_t place = text.size(); place > kGroup;) {
    place -= kGroup;
    text.insert(place, 1, ',');
  }
  return text;
}

// The value of one hexadecimal digit of either case.
[[nodiscard]] constexpr std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return static_cast<unsigned>(c - '0');
  }
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? std::optional(static_cast<unsigned>(lower - 'a') + 10U)
                                      : std::nullopt;
}

// Appends the last `digits` hexadecimal digits of a number, in lower case.
inline void append_hex(std::string& out, std::uint32_t number, unsigned digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (unsigned left = digits; left > 0; --left) {
    out += kDigits[(number >> (4 * (left - 1))) & 0xfU];
  }
}

}  // namespace msi2imds
