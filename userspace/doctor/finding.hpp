// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace msi2imds::doctor {

// From good to bad; unknown is what only root may see, and may be either.
enum class Level : std::uint8_t { ok, warning, unknown, error };

[[nodiscard]] std::string_view to_string(Level level);

// What one check says. Texts may hold names that strangers chose: whoever shows one escapes it.
struct Finding {
  std::string check;  // "ports"
  Level level = Level::ok;
  std::string text;    // one sentence
  std::string advice;  // what to do; empty when there is nothing to do

  friend bool operator==(const Finding&, const Finding&) = default;
};
using Findings = std::vector<Finding>;

[[nodiscard]] Finding ok(std::string_view check, std::string text);
[[nodiscard]] Finding warning(std::string_view check, std::string text, std::string advice);
// For others than root.
[[nodiscard]] Finding unknown(std::string_view check, std::string text);
[[nodiscard]] Finding error(std::string_view check, std::string text, std::string advice);

[[nodiscard]] Level worst_of(const Findings& findings);

// Puts `more` behind `all`.
void append(Findings& all, Findings more);

}  // namespace msi2imds::doctor
