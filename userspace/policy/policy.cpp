// SPDX-License-Identifier: MIT
#include "policy/policy.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/escape.hpp"
#include "policy/pattern.hpp"

namespace msi2imds::policy {
namespace {

constexpr std::string_view kNoIdentity = "none";

template <typename T>
bool contains(const std::vector<T>& values, const T& wanted) {
  return std::ranges::find(values, wanted) != values.end();
}

bool is_unit_of(const std::string& wanted, const caller::Identity& caller) {
  return !wanted.empty() && wanted == (wanted.front() == '/' ? caller.cgroup : caller.unit);
}

bool is_in_any_group(const std::vector<gid_t>& wanted, const caller::Identity& caller) {
  return std::ranges::any_of(caller.gids, [&](gid_t gid) { return contains(wanted, gid); });
}

bool is_in_any_unit(const std::vector<std::string>& wanted, const caller::Identity& caller) {
  return std::ranges::any_of(wanted, [&](const std::string& unit) { return is_unit_of(unit, caller); });
}

bool names_any_resource(const std::vector<std::string>& patterns, const token::TokenRequest& request) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return matches(pattern, request.resource, Case::matters);
  });
}

bool is_no_identity(std::string_view pattern) {
  return matches(pattern, kNoIdentity, Case::is_ignored) &&
         pattern.find_first_of("*?") == std::string_view::npos;
}

// Whoever asks for a client id "none" names an identity all the same.
bool names_any_identity(const std::vector<std::string>& patterns, const token::TokenRequest& request) {
  const bool names_none = request.identity.kind == token::SelectorKind::none;
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return names_none
               ? matches(pattern, kNoIdentity, Case::is_ignored)
               : !is_no_identity(pattern) && matches(pattern, request.identity.value, Case::is_ignored);
  });
}

enum class Condition { none, uid, gid, unit, program, resource, identity };

// Asked for every request, so it makes no text.
Condition first_unmet(const Rule& rule, const caller::Identity& caller, const token::TokenRequest& request) {
  if (!rule.uids.empty() && !(caller.uid && contains(rule.uids, *caller.uid))) {
    return Condition::uid;
  }
  if (!rule.gids.empty() && !is_in_any_group(rule.gids, caller)) {
    return Condition::gid;
  }
  if (!rule.units.empty() && !is_in_any_unit(rule.units, caller)) {
    return Condition::unit;
  }
  if (!rule.programs.empty() && !(caller.program_is_verified && contains(rule.programs, caller.program))) {
    return Condition::program;
  }
  if (!rule.resources.empty() && !names_any_resource(rule.resources, request)) {
    return Condition::resource;
  }
  if (!rule.identities.empty() && !names_any_identity(rule.identities, request)) {
    return Condition::identity;
  }
  return Condition::none;
}

std::string shown(std::string_view value, const caller::Identity& caller) {
  if (!value.empty()) {
    return escape::control_characters(value);
  }
  return caller.unknown_because.empty() ? "not known"
                                        : "not known: " + escape::control_characters(caller.unknown_because);
}

std::string text_of(const std::string& value) {
  return escape::control_characters(value);
}

std::string text_of(unsigned id) {
  return std::to_string(id);
}

template <typename T>
std::string listed(const std::vector<T>& values, std::string_view separator) {
  std::string text;
  for (const T& value : values) {
    text += (text.empty() ? "" : std::string(separator)) + text_of(value);
  }
  return text;
}

template <typename T>
std::string wanted(const std::vector<T>& values) {
  return "; wanted: " + listed(values, " or ");
}

// What was found instead of what the condition asks for.
std::string explain_unmet(Condition unmet, const Rule& rule, const caller::Identity& caller,
                          const token::TokenRequest& request) {
  switch (unmet) {
    case Condition::none:
      break;
    case Condition::uid:
      return "uid is " + shown(caller.uid ? std::to_string(*caller.uid) : "", caller) + wanted(rule.uids);
    case Condition::gid:
      return "gids are " + shown(listed(caller.gids, ", "), caller) + wanted(rule.gids);
    case Condition::unit:
      return "unit is " + shown(caller.unit, caller) + ", cgroup is " + shown(caller.cgroup, caller) +
             wanted(rule.units);
    case Condition::program: {
      const bool is_another = !caller.program.empty() && !caller.program_is_verified;
      return "program is " + shown(caller.program, caller) +
             (is_another ? ", which is not the file of that path" : "") + wanted(rule.programs);
    }
    case Condition::resource:
      return "resource is " + escape::control_characters(request.resource) + wanted(rule.resources);
    case Condition::identity:
      return (request.identity.kind == token::SelectorKind::none
                  ? std::string("no identity is named")
                  : "identity is " + escape::control_characters(request.identity.value)) +
             wanted(rule.identities);
  }
  return "matches";
}

std::string name_of(const Rule& rule) {
  return rule.name.empty() ? rule.origin : rule.name;
}

}  // namespace

Policy::Policy(Mode mode, Default otherwise, std::vector<Rule> rules)
    : mode_(mode), default_(otherwise), rules_(std::move(rules)) {
  needs_process_ = std::ranges::any_of(rules_, [](const Rule& rule) {
    return !rule.gids.empty() || !rule.units.empty() || !rule.programs.empty();
  });
}

bool Policy::is_in_force() const {
  return enforces() || !rules_.empty();
}

bool Policy::enforces() const {
  return mode_ == Mode::enforce;
}

bool Policy::needs_process() const {
  return needs_process_;
}

Decision Policy::decide(const caller::Identity& caller, const token::TokenRequest& request) const {
  for (const Rule& rule : rules_) {
    if (first_unmet(rule, caller, request) == Condition::none) {
      return {.is_allowed = true, .rule = name_of(rule)};
    }
  }
  return {.is_allowed = default_ == Default::allow, .rule = {}};
}

std::vector<std::string> Policy::explain(const caller::Identity& caller,
                                         const token::TokenRequest& request) const {
  std::vector<std::string> lines;
  for (const Rule& rule : rules_) {
    const std::string place = rule.name.empty() ? "" : " (" + rule.origin + ")";
    const Condition unmet = first_unmet(rule, caller, request);
    lines.push_back(escape::control_characters(name_of(rule) + place) + ": " +
                    explain_unmet(unmet, rule, caller, request));
  }
  return lines;
}

}  // namespace msi2imds::policy
