// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/document.hpp"
#include "config/problems.hpp"

// The two arrays of rules: who may ask, and who gets which identity.
namespace msi2imds::config {

// Nothing, when a rule will not do; `problems` says why.
[[nodiscard]] std::optional<std::vector<Allow>> read_allow(const Value& value, const std::string& file_name,
                                                           Problems& problems);
[[nodiscard]] std::optional<std::vector<IdentityRule>> read_identity_rules(const Value& value,
                                                                           const std::string& file_name,
                                                                           Problems& problems);

[[nodiscard]] Value write_allow(const std::vector<Allow>& rules);
[[nodiscard]] Value write_identity_rules(const std::vector<IdentityRule>& rules);

}  // namespace msi2imds::config
