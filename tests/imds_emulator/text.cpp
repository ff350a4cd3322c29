// SPDX-License-Identifier: MIT
#include "imds_emulator/text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace msi2imds::emulator {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool is_letter(char c) {
  return lower(c) >= 'a' && lower(c) <= 'z';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_hex_digit(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

bool is_guid_dash(std::size_t position) {
  return position == 8 || position == 13 || position == 18 || position == 23;
}

// How many bytes the character at the start of `text` has, 0 if there is none. Rare
// planes and blocks where a malformed form could hide count as none.
std::size_t utf8_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80U                    ? 1
                             : lead >= 0xc2U && lead < 0xe0U ? 2
                             : lead >= 0xe1U && lead < 0xf0U ? 3
                                                             : 0;
  if (length == 0 || text.size() < length || lead == 0xedU) {  // 0xed may start a surrogate
    return 0;
  }
  const std::string_view rest = text.substr(1, length - 1);
  const bool continues = std::all_of(rest.begin(), rest.end(),
                                     [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; });
  return continues ? length : 0;
}

// FNV-1a.
std::uint64_t hash(std::string_view text, std::uint64_t start) {
  for (const char c : text) {
    start = (start ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return start ^ (start >> 29U);
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool is_guid(std::string_view text) {
  constexpr std::size_t kLength = 36;
  if (text.size() != kLength) {
    return false;
  }
  for (std::size_t i = 0; i < kLength; ++i) {
    if (is_guid_dash(i) ? text[i] != '-' : !is_hex_digit(text[i])) {
      return false;
    }
  }
  return true;
}

std::string derive_guid(std::string_view seed) {
  constexpr std::size_t kLength = 36;
  const std::uint64_t first = hash(seed, 0xcbf29ce484222325U);
  std::uint64_t bits = first;
  std::string out;
  while (out.size() < kLength) {
    if (is_guid_dash(out.size())) {
      out += '-';
      continue;
    }
    if (out.size() == 19) {  // the first word is used up
      bits = hash(seed, first);
    }
    out += kHexDigits[bits & 0xfU];
    bits >>= 4U;
  }
  return out;
}

bool is_absolute_uri(std::string_view text) {
  static constexpr std::string_view kNeverInUri = "\"<>\\^`{|}";
  const std::size_t colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos || colon + 1 == text.size() || !is_letter(text[0])) {
    return false;
  }
  const std::string_view scheme = text.substr(0, colon);
  return std::all_of(
             scheme.begin(), scheme.end(),
             [](char c) { return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; }) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return c > ' ' && c < '\x7f' && kNeverInUri.find(c) == std::string_view::npos;
         });
}

std::string valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    if (length > 0) {
      out += bytes.substr(0, length);
    } else {
      const auto byte = static_cast<unsigned char>(bytes[0]);
      out += static_cast<char>(0xc0U | (byte >> 6U));
      out += static_cast<char>(0x80U | (byte & 0x3fU));
    }
    bytes.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string base64url(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned pending = 0;
  for (const char c : bytes) {
    bits = (bits << 8U) | static_cast<unsigned char>(c);
    for (pending += 8; pending >= 6; pending -= 6) {
      out += kDigits[(bits >> (pending - 6)) & 0x3fU];
    }
  }
  if (pending > 0) {
    out += kDigits[(bits << (6 - pending)) & 0x3fU];
  }
  return out;
}

}  // namespace msi2imds::emulator
