// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "cli/callers_report.hpp"

namespace msi2imds::cli {

// The names of the columns.
[[nodiscard]] std::string csv_head();

// A line for each caller, or one for the machine where there is none (RFC 4180, lines end in LF). No field
// begins with what a spreadsheet takes for a formula.
[[nodiscard]] std::string csv_lines(const CallersReport& report);

}  // namespace msi2imds::cli
