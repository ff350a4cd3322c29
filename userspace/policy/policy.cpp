// SPDX-License-Identifier: MIT
#include "policy/policy.hpp"

#include <algorithm>
#include <utility>

#include "policy/rule_name.hpp"

namespace msi2imds::policy {

Policy::Policy(Mode mode, Default otherwise, std::vector<Rule> rules)
    : mode_(mode), default_(otherwise), rules_(std::move(rules)) {
  needs_process_ =
      std::ranges::any_of(rules_, [](const Rule& rule) { return rule.conditions.need_process(); });
  needs_caller_ = std::ranges::any_of(rules_, [](const Rule& rule) { return rule.conditions.need_caller(); });
}

bool Policy::is_in_force() const {
  return enforces() || !rules_.empty();
}

bool Policy::enforces() const {
  return mode_ == Mode::enforce;
}

bool Policy::needs_caller() const {
  return needs_caller_;
}

bool Policy::needs_process() const {
  return needs_process_;
}

Decision Policy::decide(const caller::Identity& caller, const token::TokenRequest& request) const {
  for (const Rule& rule : rules_) {
    if (meet(rule.conditions, caller, request) == Met::yes) {
      return {.is_allowed = true, .rule = name_of(rule)};
    }
  }
  return {.is_allowed = default_ == Default::allow, .rule = {}};
}

std::vector<std::string> Policy::explain(const caller::Identity& caller,
                                         const token::TokenRequest& request) const {
  std::vector<std::string> lines;
  for (const Rule& rule : rules_) {
    lines.push_back(name_and_place_of(rule) + ": " + policy::explain(rule.conditions, caller, request));
  }
  return lines;
}

}  // namespace msi2imds::policy
