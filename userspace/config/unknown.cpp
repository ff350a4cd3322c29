// SPDX-License-Identifier: MIT
#include "config/unknown.hpp"

#include <algorithm>
#include <vector>

#include "config/keys.hpp"
#include "config/rule.hpp"
#include "config/suggest.hpp"

namespace msi2imds::config {
namespace {

// "port" for "listen_port"
bool is_part(std::string_view word, std::string_view leaf) {
  return leaf.ends_with('_' + std::string(word)) || leaf.starts_with(std::string(word) + '_');
}

// The same leaf in another table is a likelier slip than two typing errors, and less likely than one, or than
// half a name.
std::size_t distance(const KeyName& from, const KeyName& to) {
  constexpr std::size_t kError = 2;
  constexpr std::size_t kOtherTable = 3;
  if (from.table != to.table) {
    return edit_distance(from.leaf, to.leaf) * kError + kOtherTable;
  }
  return (is_part(from.leaf, to.leaf) ? 1 : edit_distance(from.leaf, to.leaf)) * kError;
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

std::string suggest_key(std::string_view name) {
  const KeyName wanted = split(name);
  const std::vector<std::string_view> known = names();
  const auto best =
      std::ranges::min_element(known, {}, [&](std::string_view key) { return distance(wanted, split(key)); });
  const KeyName found = split(*best);
  const bool may_differ = wanted.table.empty() || wanted.table == found.table;
  const bool is_half = wanted.table == found.table && is_part(wanted.leaf, found.leaf);
  if (is_half || (may_differ ? is_near(wanted.leaf, found.leaf) : wanted.leaf == found.leaf)) {
    return "did you mean " + std::string(*best) + "?";
  }
  if (wanted.table.empty()) {
    return "expected a key of one of the tables " + list(tables());
  }
  return "the keys of " + std::string(wanted.table) + " are " + list(leaves_of(wanted.table));
}

std::string suggest_table(std::string_view name) {
  std::vector<std::string_view> known = tables();
  known.push_back(kAllowTable);
  if (const auto meant = nearest(name, known)) {
    return "did you mean " + std::string(*meant) + "?";
  }
  return "the tables are " + list(known);
}

}  // namespace msi2imds::config
