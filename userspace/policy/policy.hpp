// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "caller/identity.hpp"
#include "policy/conditions.hpp"
#include "token/token.hpp"

// Who may ask for what.
namespace msi2imds::policy {

// Who meets the conditions is allowed. What is not known of a caller meets no condition.
struct Rule {
  std::string name;    // for people; may be empty
  std::string origin;  // "FILE:LINE"
  Conditions conditions;
};

enum class Mode { audit, enforce };
enum class Default { deny, allow };

struct Decision {
  bool is_allowed = true;
  std::string rule;  // the name of the rule that decided, or its origin; empty: the default did
};

class Policy {
 public:
  Policy() = default;
  Policy(Mode mode, Default otherwise, std::vector<Rule> rules);

  // Without a rule, in audit mode, there is nothing to say of anybody.
  [[nodiscard]] bool is_in_force() const;
  // Who is not allowed is refused.
  [[nodiscard]] bool enforces() const;
  // Whether a rule asks for more than the uid.
  [[nodiscard]] bool needs_process() const;
  // Whether a rule asks for anything of the caller.
  [[nodiscard]] bool needs_caller() const;

  // The first rule that the caller meets decides, whatever the mode.
  [[nodiscard]] Decision decide(const caller::Identity& caller, const token::TokenRequest& request) const;

  // For each rule, in their order: "NAME: matches", or the first condition that is not met.
  [[nodiscard]] std::vector<std::string> explain(const caller::Identity& caller,
                                                 const token::TokenRequest& request) const;

 private:
  Mode mode_ = Mode::audit;
  Default default_ = Default::deny;
  std::vector<Rule> rules_;
  bool needs_process_ = false;
  bool needs_caller_ = false;
};

}  // namespace msi2imds::policy
