// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "admin/status.hpp"
#include "metrics/snapshot.hpp"
#include "usage/table.hpp"

// What tells, over many machines, who still calls and how far each machine is.
namespace msi2imds::responder {

// So many callers have a series of their own; all others have one together.
inline constexpr std::size_t kMostCallerSeries = 10;

// Adds when each caller last asked, bounded in series. Callers in containers go by their program alone, and
// without a unit's name, which changes with each container.
void measure_callers(const usage::Table& table, metrics::Snapshot& now);

// Adds whether the endpoint can be retired.
void measure_verdict(const usage::Table& table, std::int64_t time, std::int64_t quiet_days,
                     metrics::Snapshot& now);

// Adds the extension's state, one of admin::kExtensionStates, and the stage of the migration.
void measure_stage(const admin::Status& status, std::string_view extension, metrics::Snapshot& now);

}  // namespace msi2imds::responder
