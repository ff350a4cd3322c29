// SPDX-License-Identifier: MIT
#include "config/rules.hpp"

#include <utility>

#include "config/rule.hpp"

namespace msi2imds::config {
namespace {

constexpr std::size_t kMostRules = 256;

// The rules of an array, or nothing when one of them will not do.
std::optional<std::vector<Rule>> read_rules(RuleKind kind, const Value& value, const std::string& file_name,
                                            Problems& problems) {
  const std::string table(table_of(kind));
  const auto* array = std::get_if<Array>(&value.content);
  const auto complain = [&](const std::string& what) {
    problems.add({file_name, value.position}, table, what);
  };
  if (array == nullptr) {
    complain("expected [[" + table + "]] tables, found " + std::string(type_name(value)));
    return std::nullopt;
  }
  if (array->size() > kMostRules) {
    complain(std::to_string(array->size()) + " rules; expected at most " + std::to_string(kMostRules));
    return std::nullopt;
  }
  std::vector<Rule> rules;
  for (const Value& element : *array) {
    if (auto rule = read_rule(kind, element, file_name, problems)) {
      rules.push_back(std::move(*rule));
    }
  }
  return rules.size() == array->size() ? std::optional(std::move(rules)) : std::nullopt;
}

}  // namespace

std::optional<std::vector<Allow>> read_allow(const Value& value, const std::string& file_name,
                                             Problems& problems) {
  auto read = read_rules(RuleKind::allow, value, file_name, problems);
  if (!read) {
    return std::nullopt;
  }
  std::vector<Allow> rules;
  for (Rule& rule : *read) {
    rules.push_back({.name = std::move(rule.name),
                     .origin = std::move(rule.origin),
                     .conditions = std::move(rule.conditions)});
  }
  return rules;
}

std::optional<std::vector<IdentityRule>> read_identity_rules(const Value& value, const std::string& file_name,
                                                             Problems& problems) {
  auto read = read_rules(RuleKind::identity, value, file_name, problems);
  if (!read) {
    return std::nullopt;
  }
  std::vector<IdentityRule> rules;
  for (Rule& rule : *read) {
    rules.push_back({.name = std::move(rule.name),
                     .origin = std::move(rule.origin),
                     .conditions = std::move(rule.conditions),
                     .identity = std::move(rule.identity)});
  }
  return rules;
}

Value write_allow(const std::vector<Allow>& rules) {
  Array array;
  for (const Allow& rule : rules) {
    array.push_back(write_rule({.name = rule.name, .origin = rule.origin, .conditions = rule.conditions}));
  }
  return {std::move(array)};
}

Value write_identity_rules(const std::vector<IdentityRule>& rules) {
  Array array;
  for (const IdentityRule& rule : rules) {
    array.push_back(write_rule({.name = rule.name,
                                .origin = rule.origin,
                                .conditions = rule.conditions,
                                .identity = rule.identity}));
  }
  return {std::move(array)};
}

}  // namespace msi2imds::config
