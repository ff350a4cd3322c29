// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.hpp"
#include "config/document.hpp"
#include "config/problems.hpp"

// One rule, a table of an array: conditions on a caller, and what they are for.
namespace msi2imds::config {

inline constexpr std::string_view kAllowTable = "allow";
inline constexpr std::string_view kIdentityRuleTable = "identity.rule";

// Which array of the file a rule stands in; what it may say depends on that.
enum class RuleKind : std::uint8_t { allow, identity };

[[nodiscard]] std::string_view table_of(RuleKind kind);

// What any rule may say.
struct Rule {
  std::string name;
  std::string origin;
  Conditions conditions;
  token::IdentitySelector identity = {};
};

// Nothing, when the rule will not do; `problems` says all that is wrong with it.
[[nodiscard]] std::optional<Rule> read_rule(RuleKind kind, const Value& value, const std::string& file_name,
                                            Problems& problems);

// With numbers in the place of names: whoever reads it may not be able to look them up.
[[nodiscard]] Value write_rule(const Rule& rule);

}  // namespace msi2imds::config
