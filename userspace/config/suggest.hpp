// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace msi2imds::config {

// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
[[nodiscard]] std::size_t edit_distance(std::string_view from, std::string_view to);

// What to write instead of the unknown key or table `name`: the nearest one, else those that exist there.
[[nodiscard]] std::string suggest_key(std::string_view name);
[[nodiscard]] std::string suggest_table(std::string_view name);

}  // namespace msi2imds::config
