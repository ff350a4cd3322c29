// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace msi2imds::config {

// What to write instead of the unknown key or table `name`: the nearest one, else those that exist there.
[[nodiscard]] std::string suggest_key(std::string_view name);
[[nodiscard]] std::string suggest_table(std::string_view name);

}  // namespace msi2imds::config
