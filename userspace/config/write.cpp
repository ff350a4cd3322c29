// SPDX-License-Identifier: MIT
#include "config/write.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

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

// Of a rule or an identity: no secret, though a hash or an id may look like one.
bool is_identifier(std::string_view name) {
  constexpr std::array<std::string_view, 7> kNames = {"sha256",    "container", "container_image", "identity",
                                                      "client_id", "object_id", "msi_res_id"};
  return std::ranges::find(kNames, name) != kNames.end();
}

void redact_texts(Value& value, std::string (*redact)(const std::string& text)) {
  if (auto* text = std::get_if<std::string>(&value.content); text != nullptr) {
    *text = redact(*text);
  } else if (auto* array = std::get_if<Array>(&value.content); array != nullptr) {
    for (Value& element : *array) {
      redact_texts(element, redact);
    }
  } else if (auto* table = std::get_if<Table>(&value.content); table != nullptr) {
    for (Member& member : *table) {
      if (!is_identifier(member.name)) {
        redact_texts(member.value, redact);
      }
    }
  }
}

}  // namespace

std::string to_toml(const Sourced& sourced, std::string (*redact)(const std::string& text)) {
  constexpr std::string_view kSign = " = ";
  std::string text;
  for (const Key& key : keys()) {
    Value value = key.write(sourced.config);
    redact_texts(value, redact);
    // Within a table, another one is written in a line.
    const std::string line = write_toml(Table{Member{"t", {}, {Table{Member{"v", {}, std::move(value)}}}}});
    const std::size_t begin = line.find(kSign) + kSign.size();
    text += key.name;
    text += kSign;
    text += line.substr(begin, line.find_last_not_of('\n') + 1 - begin);
    text += comment_on(key.name, sourced.origins);
  }
  Value rules{Table()};  // which tell their origins themselves
  add_rules(std::get<Table>(rules.content), sourced.config);
  redact_texts(rules, redact);
  const Table& written = std::get<Table>(rules.content);
  return written.empty() ? text : text + "\n" + write_toml(written);
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
