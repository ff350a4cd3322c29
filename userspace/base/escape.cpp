// SPDX-License-Identifier: MIT
#include "base/escape.hpp"

#include "base/text.hpp"

namespace msi2imds::escape {
namespace {

bool is_printable_ascii(char c) {
  return c >= 0x20 && c < 0x7f;
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
      append_hex(out, static_cast<unsigned char>(c), 2);
    }
  }
  return out;
}

}  // namespace msi2imds::escape
