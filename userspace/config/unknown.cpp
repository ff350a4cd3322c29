// SPDX-License-Identifier: MIT
#include "config/unknown.hpp"

#include <algorithm>
#include <vector>

#include "config/keys.hpp"
#include "config/rule.hpp"
#include "config/suggest.hpp"

namespace msi2imds::config {
namespace {

// The same leaf in another table is a likelier slip than two typing errors.
std::size_t distance(const KeyName& from, const KeyName& to) {
  return edit_distance(from.leaf, to.leaf) * 2 + (from.table == to.table ? 0 : 1);
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
  if (may_differ ? is_near(wanted.leaf, found.leaf) : wanted.leaf == found.leaf) {
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
