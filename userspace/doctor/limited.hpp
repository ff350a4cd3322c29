// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// What `look` finds, in a process of its own: one that hangs (a hostile process can make reading of it take
// for ever) or crashes becomes a warning of `check`, and the other checks still run.
[[nodiscard]] Findings look_limited(const std::string& check, std::chrono::milliseconds limit,
                                    const std::function<Findings()>& look);

}  // namespace msi2imds::doctor
