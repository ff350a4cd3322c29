// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace msi2imds::config {

// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
[[nodiscard]] std::size_t edit_distance(std::string_view from, std::string_view to);

// Whether `word` may be a slip of the pen for the other.
[[nodiscard]] bool is_near(std::string_view word, std::string_view other);

// The nearest of the words that `word` may be a slip for, or nothing.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view word,
                                                      std::span<const std::string_view> words);

// "a, b, c"
[[nodiscard]] std::string list(std::span<const std::string_view> words);

}  // namespace msi2imds::config
