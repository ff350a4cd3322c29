// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/document.hpp"
#include "config/problems.hpp"

// The rules of who may ask: [[allow]] tables.
namespace msi2imds::config {

inline constexpr std::string_view kAllowTable = "allow";

// Nothing, when a rule will not do; `problems` says why.
[[nodiscard]] std::optional<std::vector<Allow>> read_allow(const Value& value, const std::string& file_name,
                                                           Problems& problems);

// With numbers in the place of names: whoever reads it may not be able to look them up.
[[nodiscard]] Value write_allow(const std::vector<Allow>& rules);

}  // namespace msi2imds::config
