// SPDX-License-Identifier: MIT
#pragma once

#include "config/config.hpp"
#include "config/problems.hpp"

namespace msi2imds::config {

// A configuration, and where its keys were set.
struct Sourced {
  Config config;
  Origins origins;
};

}  // namespace msi2imds::config
