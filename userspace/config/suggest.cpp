// SPDX-License-Identifier: MIT
#include "config/suggest.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace msi2imds::config {

std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> before(to.size() + 1);
  std::vector<std::size_t> above(to.size() + 1);
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(above.begin(), above.end(), std::size_t{0});
  for (std::size_t i = 1; i <= from.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = above[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(above);
    above.swap(row);
  }
  return above[to.size()];
}

bool is_near(std::string_view word, std::string_view other) {
  return edit_distance(word, other) <= std::max<std::size_t>(1, word.size() / 3);
}

std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> words) {
  const auto found = std::ranges::min_element(
      words, {}, [word](std::string_view other) { return edit_distance(word, other); });
  return found != words.end() && is_near(word, *found) ? std::optional(*found) : std::nullopt;
}

std::string list(std::span<const std::string_view> words) {
  std::string text;
  for (const std::string_view word : words) {
    text += (text.empty() ? "" : ", ") + std::string(word);
  }
  return text;
}

}  // namespace msi2imds::config
