// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/document.hpp"
#include "config/problems.hpp"

// Arrays of tables in which a rule is a table: who may ask, and who gets which identity.
namespace msi2imds::config {

inline constexpr std::string_view kAllowTable = "allow";
inline constexpr std::string_view kIdentityRuleTable = "identity.rule";

// Nothing, when a rule will not do; `problems` says why.
[[nodiscard]] std::optional<std::vector<Allow>> read_allow(const Value& value, const std::string& file_name,
                                                           Problems& problems);
[[nodiscard]] std::optional<std::vector<IdentityRule>> read_identity_rules(const Value& value,
                                                                           const std::string& file_name,
                                                                           Problems& problems);

// With numbers in the place of names: whoever reads it may not be able to look them up.
[[nodiscard]] Value write_allow(const std::vector<Allow>& rules);
[[nodiscard]] Value write_identity_rules(const std::vector<IdentityRule>& rules);

}  // namespace msi2imds::config
