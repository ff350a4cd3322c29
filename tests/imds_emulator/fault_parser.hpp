// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "imds_emulator/fault.hpp"

namespace msi2imds::emulator {

// Reads {"faults": [...]}. All of it is right or none of it is taken.
[[nodiscard]] Result<std::vector<Fault>> parse_faults(std::string_view document,
                                                      std::chrono::steady_clock::time_point now);

}  // namespace msi2imds::emulator
