// SPDX-License-Identifier: MIT
#include "config/write.hpp"

#include <algorithm>

#include "config/keys.hpp"
#include "config/rule.hpp"
#include "config/rules.hpp"

namespace msi2imds::config {
namespace {

// The table of that name within `root`, made where it is missing.
Table& table_at(Table& root, std::string_view name) {
  auto found = std::ranges::find(root, name, &Member::name);
  if (found == root.end()) {
    root.push_back({std::string(name), {}, {Table{}}});
    found = std::prev(root.end());
  }
  return std::get<Table>(found->value.content);
}

}  // namespace

std::string to_toml(const Config& config) {
  Table root;
  for (const Key& key : keys()) {
    const KeyName name = split(key.name);
    Table& table = name.table.empty() ? root : table_at(root, name.table);
    table.push_back({std::string(name.leaf), {}, key.write(config)});
  }
  if (!config.allow.empty()) {
    root.push_back({std::string(kAllowTable), {}, write_allow(config.allow)});
  }
  if (!config.identity.rules.empty()) {
    const KeyName name = split(kIdentityRuleTable);
    table_at(root, name.table)
        .push_back({std::string(name.leaf), {}, write_identity_rules(config.identity.rules)});
  }
  return write_toml(root);
}

}  // namespace msi2imds::config
