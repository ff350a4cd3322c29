// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "caller/identity.hpp"
#include "policy/conditions.hpp"
#include "token/token.hpp"

// Which identity a caller gets that names none.
namespace msi2imds::policy {

// Who meets the conditions gets that identity.
struct IdentityRule {
  std::string name;    // for people; may be empty
  std::string origin;  // "FILE:LINE"
  Conditions conditions;
  token::IdentitySelector identity;
};

// What decided about an identity. "imds": nobody named one, so that IMDS decides.
enum class ChosenBy : std::uint8_t { client, rule, default_, imds, nobody };

[[nodiscard]] std::string_view to_string(ChosenBy by);

struct Choice {
  token::IdentitySelector identity;  // to ask IMDS for
  ChosenBy by = ChosenBy::imds;
  // The name or origin of the rule that decided; with ChosenBy::nobody of the one that might have: too little
  // is known of the caller.
  std::string rule;
  std::string unknown;  // with ChosenBy::nobody: which condition of it, for people
};

class IdentityChoice {
 public:
  IdentityChoice() = default;
  // `otherwise` is for whom no rule matches; of kind none, IMDS decides.
  IdentityChoice(std::vector<IdentityRule> rules, token::IdentitySelector otherwise);

  // Whether a request that names no identity has to be compared with rules, and these ask for anything of the
  // caller, or for more than the uid.
  [[nodiscard]] bool needs_caller() const;
  [[nodiscard]] bool needs_process() const;

  // The client's own word goes first, then the first rule that the caller meets, then the default. Nobody
  // chooses where a rule before the first that is met might be met as well: another identity's token would be
  // worse than none.
  [[nodiscard]] Choice choose(const caller::Identity& caller, const token::TokenRequest& request) const;

  // For each rule, in their order: "NAME: matches", or the first condition that is not met.
  [[nodiscard]] std::vector<std::string> explain(const caller::Identity& caller,
                                                 const token::TokenRequest& request) const;

 private:
  std::vector<IdentityRule> rules_;
  token::IdentitySelector default_;
  bool needs_process_ = false;
  bool needs_caller_ = false;
};

}  // namespace msi2imds::policy
