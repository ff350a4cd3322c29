// SPDX-License-Identifier: MIT
#include "policy/pattern.hpp"

#include <cstddef>
#include <optional>

#include "base/text.hpp"

namespace msi2imds::policy {
namespace {

bool is_same(char a, char b, Case letter_case) {
  return a == b || (letter_case == Case::is_ignored && to_lower(a) == to_lower(b));
}

}  // namespace

// Goes back to the last * only: making an earlier one longer could not help.
bool matches(std::string_view pattern, std::string_view text, Case letter_case) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::optional<std::size_t> star;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || is_same(pattern[p], text[t], letter_case))) {
      ++p;
      ++t;
    } else if (star) {
      p = *star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') {
    ++p;
  }
  return p == pattern.size();
}

}  // namespace msi2imds::policy
