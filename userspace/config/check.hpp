// SPDX-License-Identifier: MIT
#pragma once

#include "config/config.hpp"
#include "config/problems.hpp"

namespace msi2imds::config {

// Adds what is wrong between keys that are right each on its own.
void check(const Config& config, const Origins& origins, Problems& problems);

}  // namespace msi2imds::config
