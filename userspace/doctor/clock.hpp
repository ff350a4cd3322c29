// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Whether this machine's clock agrees with IMDS's: by the Date of an answer, or else by a token.
[[nodiscard]] Findings check_clock(const Host& host, std::optional<std::chrono::seconds> by_date);

// What it means that this machine's clock is so far ahead of IMDS's; negative: behind; nothing: unknown.
[[nodiscard]] Finding judge_clock(std::optional<std::chrono::seconds> ahead);

}  // namespace msi2imds::doctor
