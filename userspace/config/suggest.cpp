// SPDX-License-Identifier: MIT
#include "config/suggest.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "config/keys.hpp"
#include "config/rules.hpp"

namespace msi2imds::config {
namespace {

// Farther away than this, a word was not meant.
std::size_t tolerance(std::string_view word) {
  return std::max<std::size_t>(1, word.size() / 3);
}

// The same leaf in another table is a likelier slip than two typing errors.
std::size_t distance(const KeyName& from, const KeyName& to) {
  return edit_distance(from.leaf, to.leaf) * 2 + (from.table == to.table ? 0 : 1);
}

std::string list(const std::vector<std::string_view>& words) {
  std::string text;
  for (const std::string_view word : words) {
    text += (text.empty() ? "" : ", ") + std::string(word);
  }
  return text;
}

// All that may stand in a table.
std::vector<std::string_view> names() {
  std::vector<std::string_view> all;
  for (const Key& key : keys()) {
    all.push_back(key.name);
  }
  all.push_back(kIdentityRuleTable);
  return all;
}

std::vector<std::string_view> leaves_of(std::string_view table) {
  std::vector<std::string_view> leaves;
  for (const std::string_view name : names()) {
    if (split(name).table == table) {
      leaves.push_back(split(name).leaf);
    }
  }
  return leaves;
}

}  // namespace

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

std::string suggest_key(std::string_view name) {
  const KeyName wanted = split(name);
  const std::vector<std::string_view> known = names();
  const auto nearest =
      std::ranges::min_element(known, {}, [&](std::string_view key) { return distance(wanted, split(key)); });
  const KeyName found = split(*nearest);
  const bool may_differ = wanted.table.empty() || wanted.table == found.table;
  if (edit_distance(wanted.leaf, found.leaf) <= (may_differ ? tolerance(wanted.leaf) : 0)) {
    return "did you mean " + std::string(*nearest) + "?";
  }
  if (wanted.table.empty()) {
    return "expected a key of one of the tables " + list(tables());
  }
  return "the keys of " + std::string(wanted.table) + " are " + list(leaves_of(wanted.table));
}

std::string suggest_table(std::string_view name) {
  std::vector<std::string_view> known = tables();
  known.push_back(kAllowTable);
  const auto nearest =
      std::ranges::min_element(known, {}, [&](std::string_view table) { return edit_distance(name, table); });
  if (edit_distance(name, *nearest) <= tolerance(name)) {
    return "did you mean " + std::string(*nearest) + "?";
  }
  return "the tables are " + list(known);
}

}  // namespace msi2imds::config
