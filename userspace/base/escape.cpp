// SPDX-License-Identifier: MIT
#include "base/escape.hpp"

namespace msi2imds::escape {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

bool is_printable_ascii(char c) {
  return c >= 0x20 && c < 0x7f;
}

void append_hex(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  out += kHexDigits[byte >> 4U];
  out += kHexDigits[byte & 0xfU];
}

}  // namespace

std::string control_characters(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (is_printable_ascii(c)) {
      out += c;
    } else {
      out += "\\x";
      append_hex(out, c);
    }
  }
  return out;
}

std::string json(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (is_printable_ascii(c)) {
      out += c;
    } else {
      out += "\\u00";
      append_hex(out, c);
    }
  }
  return out;
}

}  // namespace msi2imds::escape
