// SPDX-License-Identifier: MIT
#include "base/escape.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace msi2imds::escape {
namespace {

bool stays(char c) {
  return c >= 0x20 && c < 0x7f && c != '\\';
}

}  // namespace

void append_control_characters(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const auto* const changed = std::ranges::find_if_not(text, stays);
    out.append(text.begin(), changed);
    if (changed == text.end()) {
      return;
    }
    if (*changed == '\\') {
      out += "\\\\";
    } else {
      out += "\\x";
      append_hex(out, static_cast<unsigned char>(*changed), 2);
    }
    text.remove_prefix(static_cast<std::size_t>(changed - text.begin()) + 1);
  }
}

std::string control_characters(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  append_control_characters(out, text);
  return out;
}

}  // namespace msi2imds::escape
