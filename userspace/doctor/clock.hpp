// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>

#include "doctor/case.hpp"
#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// Whether this machine's clock agrees with IMDS's: by the Date of its answers, or else by a token.
[[nodiscard]] Findings check_clock(const Case& patient, const migration::Instance& instance);

// What it means that this machine's clock is so far ahead of IMDS's; negative: behind; nothing: unknown.
[[nodiscard]] Finding judge_clock(std::optional<std::chrono::seconds> ahead);

}  // namespace msi2imds::doctor
