// SPDX-License-Identifier: MIT
#include "config/write.hpp"

#include <algorithm>

#include "base/escape.hpp"
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

void add_rules(Table& root, const Config& config) {
  if (!config.allow.empty()) {
    root.push_back({std::string(kAllowTable), {}, write_allow(config.allow)});
  }
  if (!config.identity.rules.empty()) {
    const KeyName name = split(kIdentityRuleTable);
    table_at(root, name.table)
        .push_back({std::string(name.leaf), {}, write_identity_rules(config.identity.rules)});
  }
}

// "# default", "# FILE:LINE"
std::string comment_on(std::string_view key, const Origins& origins) {
  const auto origin = origins.find(key);
  return origin == origins.end() ? "  # default\n"
                                 : "  # " + escape::control_characters(origin->second.file) + ":" +
                                       std::to_string(origin->second.position.line) + "\n";
}

bool names_a_hash(std::string_view line) {
  return line.starts_with("sha256 ") || line.starts_with("container ");
}

}  // namespace

std::string to_toml(const Sourced& sourced, std::string (*redact)(const std::string& value)) {
  constexpr std::string_view kSign = " = ";
  std::string text;
  for (const Key& key : keys()) {
    const std::string line = write_toml(Table{Member{"v", {}, key.write(sourced.config)}});
    const std::size_t value = line.find(kSign) + kSign.size();
    text += key.name;
    text += kSign;
    text += redact(line.substr(value, line.find_last_not_of('\n') + 1 - value));
    text += comment_on(key.name, sourced.origins);
  }
  Table rules;  // which tell their origins themselves
  add_rules(rules, sourced.config);
  const std::string written = rules.empty() ? std::string() : "\n" + write_toml(rules);
  for (std::size_t at = 0; at < written.size();) {
    const std::size_t end = written.find('\n', at);
    const std::string line = written.substr(at, end - at);
    const std::size_t sign = line.find(kSign);
    const std::size_t kept =
        sign == std::string::npos || names_a_hash(line) ? line.size() : sign + kSign.size();
    text += line.substr(0, kept) + redact(line.substr(kept)) + "\n";
    at = end + 1;
  }
  return text;
}

std::string to_toml(const Config& config) {
  Table root;
  for (const Key& key : keys()) {
    const KeyName name = split(key.name);
    Table& table = name.table.empty() ? root : table_at(root, name.table);
    table.push_back({std::string(name.leaf), {}, key.write(config)});
  }
  add_rules(root, config);
  return write_toml(root);
}

}  // namespace msi2imds::config
