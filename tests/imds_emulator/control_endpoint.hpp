// SPDX-License-Identifier: MIT
#pragma once

#include "imds_emulator/emulator.hpp"

namespace msi2imds::emulator {

// /emulator/*: what tests and scripts use. Never counted, never subject to faults.
[[nodiscard]] Reply answer_control(Emulator& emulator, const Request& request);

}  // namespace msi2imds::emulator
