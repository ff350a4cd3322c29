// SPDX-License-Identifier: MIT
#pragma once

#include "waagent/places.hpp"

namespace msi2imds::waagent {

// Whether the extension is on this machine: its process runs, or the agent has it. What may not be read
// counts as there, since nobody is to take it for removed by mistake.
[[nodiscard]] bool is_present(const Places& places);

}  // namespace msi2imds::waagent
