// SPDX-License-Identifier: MIT
#include "config/closure.hpp"

#include <algorithm>
#include <set>

#include "accounts/getent.hpp"
#include "base/escape.hpp"

namespace msi2imds::config {
namespace {

constexpr std::uint32_t kRoot = 0;

std::string name_of(const Allow& rule) {
  return rule.name.empty() ? "the rule at " + rule.origin
                           : "the rule \"" + rule.name + "\" (" + rule.origin + ")";
}

bool asks_for_more_than_users(const Conditions& conditions) {
  Conditions users;
  users.uids = conditions.uids;
  return users != conditions;
}

// "uid 1000", "uids 1000, 1001"
std::string list_users(const std::vector<std::uint32_t>& uids) {
  std::string text;
  for (const std::uint32_t uid : uids) {
    text += (text.empty() ? " " : ", ") + std::to_string(uid);
  }
  return (uids.size() == 1 ? "uid" : "uids") + text;
}

}  // namespace

bool refuses_somebody(const Config& config) {
  return config.policy.mode == PolicyMode::enforce && config.policy.default_ == PolicyDefault::deny;
}

bool closes_imds(const Config& config) {
  return config.policy.close_imds && refuses_somebody(config);
}

std::vector<std::uint32_t> users_let_through(const Config& config) {
  std::set<std::uint32_t> uids = {kRoot};
  for (const Allow& rule : config.allow) {
    uids.insert(rule.conditions.uids.begin(), rule.conditions.uids.end());
  }
  uids.erase(accounts::kNotYetKnown);
  return {uids.begin(), uids.end()};
}

std::vector<std::string> notes_on_closure(const Config& config) {
  std::vector<std::string> notes;
  if (!closes_imds(config)) {
    return notes;
  }
  std::vector<std::uint32_t> named = users_let_through(config);
  std::erase(named, kRoot);
  notes.push_back("policy.close_imds closes " + config.imds.endpoint.text + " to all users but root" +
                  (named.empty() ? "" : " and " + list_users(named)) +
                  (config.redirect.cgroups.empty() ? "" : ", in the cgroups of redirect.cgroups alone"));
  for (const Allow& rule : config.allow) {
    if (rule.conditions.uids.empty()) {
      notes.push_back(
          name_of(rule) +
          " names no uid or user: those whom it allows get tokens from msi2imds, and IMDS itself is "
          "closed to them");
    } else if (asks_for_more_than_users(rule.conditions)) {
      notes.push_back(name_of(rule) + " asks for more than its " + list_users(rule.conditions.uids) +
                      ", to whom IMDS itself is open whatever they ask for, and with whatever program");
    }
  }
  for (std::string& note : notes) {
    note = escape::control_characters(note);
  }
  return notes;
}

}  // namespace msi2imds::config
