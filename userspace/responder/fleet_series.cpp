// SPDX-License-Identifier: MIT
#include "responder/fleet_series.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "admin/extension_state.hpp"
#include "usage/verdict.hpp"

namespace msi2imds::responder {
namespace {

using Names = std::pair<std::string_view, std::string_view>;  // unit and program

// As usage::to_string() has them.
constexpr std::array<std::string_view, 3> kVerdicts = {"can_be_retired", "in_use", "not_known"};
constexpr std::string_view kNoStage = "none";
constexpr std::string_view kObserve = "observe";
constexpr std::string_view kCutOver = "cut_over";
constexpr std::string_view kRetired = "retired";
constexpr std::array kStages = {kNoStage, kObserve, kCutOver, kRetired};

// What stands in brackets is no unit's name, and every caller has a program: so no caller can be named as
// another's series is.
constexpr Names kOthers = {"(others)", ""};

Names names_of(const usage::Row& row) {
  const std::string_view program = row.program.empty() ? row.comm : row.program;
  return {row.container.empty() ? std::string_view(row.unit) : "(container)",
          program.empty() ? "(unknown)" : program};
}

std::string_view stage_of(const admin::Status& status, std::string_view extension) {
  if (status.observing) {
    return kObserve;
  }
  if (!status.redirecting) {
    return kNoStage;
  }
  const bool is_gone = extension == admin::kNoExtension || extension == admin::kRemovedExtension;
  return is_gone ? kRetired : kCutOver;
}

// A series for each value, of which the one that holds is 1.
void add_each(metrics::Family& family, std::string_view label, std::span<const std::string_view> values,
              std::string_view holds) {
  for (const std::string_view value : values) {
    family.add(value == holds ? 1 : 0, {{label, value}});
  }
}

}  // namespace

void measure_callers(const usage::Table& table, metrics::Snapshot& now) {
  std::vector<Names> shown;
  std::int64_t others = 0;
  for (const usage::Row* row : table.latest_first()) {
    const Names names = names_of(*row);
    if (!row->is_others && std::ranges::find(shown, names) != shown.end()) {
      continue;  // the latest of that name is there
    }
    if (row->is_others || shown.size() == kMostCallerSeries) {
      others = std::max(others, row->last_seen);
      continue;
    }
    shown.push_back(names);
    now.caller_last_requests.add(row->last_seen, {{"unit", names.first}, {"program", names.second}});
  }
  now.caller_last_requests.add(others, {{"unit", kOthers.first}, {"program", kOthers.second}});
}

void measure_verdict(const usage::Table& table, std::int64_t time, std::int64_t quiet_days,
                     metrics::Snapshot& now) {
  add_each(now.verdicts, "kind", kVerdicts, usage::to_string(usage::judge(table, time, quiet_days).kind));
}

void measure_stage(const admin::Status& status, std::string_view extension, metrics::Snapshot& now) {
  add_each(now.extension_states, "state", admin::kExtensionStates, extension);
  add_each(now.stages, "stage", kStages, stage_of(status, extension));
}

}  // namespace msi2imds::responder
