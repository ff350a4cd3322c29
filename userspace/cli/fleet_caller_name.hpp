// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "usage/row.hpp"

namespace msi2imds::cli {

// The row as it is on all machines: what numbers its unit, cgroup or program (a session, a process, a
// container) is a *, and users, processes and command lines, which are of one machine, are gone.
[[nodiscard]] usage::Row with_fleet_names(const usage::Row& row);

// Those of the days that are stored.
[[nodiscard]] std::uint64_t requests_of_days(const usage::Row& row);

}  // namespace msi2imds::cli
