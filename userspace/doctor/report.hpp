// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// For a terminal: a line for each finding, its advice below, and a summary.
[[nodiscard]] std::string to_text(const Findings& findings);

// {"findings":[{"check":...,"level":...,"text":...,"advice":...}],"worst":"ok"}, one line of ASCII.
[[nodiscard]] std::string to_json(const Findings& findings);

}  // namespace msi2imds::doctor
