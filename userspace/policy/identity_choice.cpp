// SPDX-License-Identifier: MIT
#include "policy/identity_choice.hpp"

#include <algorithm>
#include <utility>

#include "policy/rule_name.hpp"

namespace msi2imds::policy {

std::string_view to_string(ChosenBy by) {
  switch (by) {
    case ChosenBy::client:
      return "client";
    case ChosenBy::rule:
      return "rule";
    case ChosenBy::default_:
      return "default";
    case ChosenBy::imds:
      return "imds";
    case ChosenBy::nobody:
      return "nobody";
  }
  return "";
}

IdentityChoice::IdentityChoice(std::vector<IdentityRule> rules, token::IdentitySelector otherwise)
    : rules_(std::move(rules)), default_(std::move(otherwise)) {
  needs_process_ =
      std::ranges::any_of(rules_, [](const IdentityRule& rule) { return rule.conditions.need_process(); });
  needs_caller_ =
      std::ranges::any_of(rules_, [](const IdentityRule& rule) { return rule.conditions.need_caller(); });
}

bool IdentityChoice::needs_caller() const {
  return needs_caller_;
}

bool IdentityChoice::needs_process() const {
  return needs_process_;
}

Choice IdentityChoice::choose(const caller::Identity& caller, const token::TokenRequest& request) const {
  if (request.identity.kind != token::SelectorKind::none) {
    return {.identity = request.identity, .by = ChosenBy::client, .rule = {}, .unknown = {}};
  }
  for (const IdentityRule& rule : rules_) {
    const Met met = meet(rule.conditions, caller, request);
    if (met == Met::yes) {
      return {.identity = rule.identity, .by = ChosenBy::rule, .rule = name_of(rule), .unknown = {}};
    }
    if (met == Met::unknown) {
      return {.identity = {},
              .by = ChosenBy::nobody,
              .rule = name_of(rule),
              .unknown = policy::explain(rule.conditions, caller, request)};
    }
  }
  const bool has_default = default_.kind != token::SelectorKind::none;
  return {.identity = default_,
          .by = has_default ? ChosenBy::default_ : ChosenBy::imds,
          .rule = {},
          .unknown = {}};
}

std::vector<std::string> IdentityChoice::explain(const caller::Identity& caller,
                                                 const token::TokenRequest& request) const {
  std::vector<std::string> lines;
  for (const IdentityRule& rule : rules_) {
    lines.push_back(name_and_place_of(rule) + ": " + policy::explain(rule.conditions, caller, request));
  }
  return lines;
}

}  // namespace msi2imds::policy
