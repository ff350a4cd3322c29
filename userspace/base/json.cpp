// SPDX-License-Identifier: MIT
#include "base/json.hpp"

#include <algorithm>
#include <cstdint>

#include "base/text.hpp"
#include "base/utf8.hpp"

namespace msi2imds {
namespace {

// Without a branch, and without an early exit in is_plain_in_json(), so that the compiler looks at many bytes
// at once: a token has two thousand, which take 1.5 us one by one.
constexpr bool needs_escape(char c) {
  bool needs = c < 0x20;
  needs |= c > 0x7e;
  needs |= c == '"';
  needs |= c == '\\';
  needs |= c == '<';
  needs |= c == '>';
  needs |= c == '&';
  return needs;
}

void append_unit(std::string& out, std::uint32_t unit) {
  out += "\\u";
  append_hex(out, unit, 4);
}

void append_character(std::string& out, std::uint32_t character) {
  if (character == '"' || character == '\\') {
    out += '\\';
    out += static_cast<char>(character);
  } else if (character > 0xffff) {
    append_unit(out, 0xd800U + ((character - 0x10000U) >> 10U));
    append_unit(out, 0xdc00U + ((character - 0x10000U) & 0x3ffU));
  } else if (character > 0x7e || needs_escape(static_cast<char>(character))) {
    append_unit(out, character);
  } else {
    out += static_cast<char>(character);
  }
}

}  // namespace

bool is_plain_in_json(std::string_view text) {
  bool escape = false;
  for (const char c : text) {
    escape |= needs_escape(c);
  }
  return !escape;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  if (is_plain_in_json(text)) {
    out += text;
    text = {};
  }
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    append_character(out, point.size == 0 ? static_cast<unsigned char>(text[0]) : point.value);
    text.remove_prefix(std::max<std::size_t>(point.size, 1));
  }
  out += '"';
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace msi2imds
