// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include "imds_emulator/fault.hpp"
#include "imds_emulator/identities.hpp"
#include "imds_emulator/question.hpp"
#include "imds_emulator/reply.hpp"

namespace msi2imds::emulator {

// Turns the question into another one if the fault demands it, so that the answer is good, but to that one.
void mistake(Question& question, const Fault& fault, const Identities& identities);

// Changes what `reply` says as the fault demands. Faults of the connection change nothing here, and those
// that spoil a token leave a refusal as it is.
void spoil(Reply& reply, const Fault& fault, std::chrono::sys_seconds now);

}  // namespace msi2imds::emulator
