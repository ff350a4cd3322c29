// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace msi2imds::config {

// What a configuration without an error does, and hardly anybody means.
struct Warning {
  std::string what;
  std::string remedy;

  friend bool operator==(const Warning&, const Warning&) = default;
};

// "WHAT; REMEDY"
[[nodiscard]] std::string to_string(const Warning& warning);

// How callers that are refused get a token all the same; nothing where nobody is, or policy.close_imds is
// set.
[[nodiscard]] std::optional<Warning> way_around(const Config& config);

// Looks at the programs that rules name, too: which of them are symbolic links, on this machine and now.
[[nodiscard]] std::vector<Warning> warnings_of(const Config& config);

}  // namespace msi2imds::config
