// SPDX-License-Identifier: MIT
#pragma once

#include "base/error.hpp"
#include "config/config.hpp"
#include "usage/table.hpp"

namespace msi2imds::cli {

struct CallersDocument {
  usage::Table table;
  bool running = true;  // else read from the state file
};

// Who calls: from the process that records, else what the last one has left.
[[nodiscard]] Result<CallersDocument> find_callers(const config::Config& config);

}  // namespace msi2imds::cli
