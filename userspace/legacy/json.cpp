// SPDX-License-Identifier: MIT
#include "legacy/json.hpp"

namespace msi2imds::legacy {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

bool needs_escape(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

// Without an early exit, so that the compiler can look at many bytes at once: a token has two thousand.
bool is_plain(std::string_view text) {
  bool escape = false;
  for (const char c : text) {
    escape |= needs_escape(c);
  }
  return !escape;
}

void append_escape(std::string& out, char c) {
  if (c == '"' || c == '\\') {
    out += '\\';
    out += c;
    return;
  }
  const auto byte = static_cast<unsigned char>(c);
  out += "\\u00";
  out += kHexDigits[byte >> 4U];
  out += kHexDigits[byte & 0xfU];
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  if (is_plain(text)) {
    out += text;
  } else {
    for (const char c : text) {
      if (needs_escape(c)) {
        append_escape(out, c);
      } else {
        out += c;
      }
    }
  }
  out += '"';
}

}  // namespace msi2imds::legacy
