// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/callers_report.hpp"
#include "cli/fleet_report.hpp"
#include "usage/row.hpp"
#include "usage/verdict.hpp"

// What `msi2imds callers --merge` shows: the reports of many machines as one.
namespace msi2imds::cli {

// What is older says nothing about today.
inline constexpr std::int64_t kOldestReport = 7 * usage::kSecondsPerDay;

struct FleetMachine {
  std::string file;  // that its report was in
  std::string host;
  Machine machine;
  std::int64_t made = 0;
  bool is_old = false;  // the report, by kOldestReport
  std::int64_t quiet_days = 0;
  std::int64_t recorded_since = 0;  // 0: nothing was
  std::int64_t last_request = 0;    // 0: none is known
  std::uint64_t requests = 0;       // of the days that are stored
  std::size_t callers = 0;
  std::int64_t quiet_at = 0;  // when its endpoint can be retired at the earliest
  usage::Verdict verdict;
  std::string next;  // what to do with it
  std::string csv;   // its lines
};

// A program in a unit, on all machines. Numbers in names that differ from one machine to the next are a *.
struct FleetCaller {
  usage::Row row;
  std::vector<std::size_t> machines;  // indices, ascending
};

struct Fleet {
  std::int64_t made = 0;
  std::vector<FleetMachine> machines;
  std::vector<FleetCaller> callers;  // on most machines first
  std::vector<LeftOut> left_out;
  std::map<std::int64_t, std::size_t> recorded_on;  // how many machines, by day; of the last kKeptDays
  bool done = false;   // nobody calls on any machine, by reports that are all there and not old
  std::string answer;  // the same in a sentence
  std::string done_when;
};

// Reads reports (`callers --json`) from files, one or more in each, and from the .json files of directories.
// What cannot be read is named in left_out, and keeps the fleet from being done.
[[nodiscard]] Fleet merge_reports(const std::vector<std::string>& paths, std::int64_t now);

[[nodiscard]] std::string to_text(const Fleet& fleet);
// One line of ASCII.
[[nodiscard]] std::string to_json(const Fleet& fleet);
// A line for each caller of each machine, and one for each machine without callers, below their names.
[[nodiscard]] std::string to_csv(const Fleet& fleet);
[[nodiscard]] Result<std::string> to_page(const Fleet& fleet);

}  // namespace msi2imds::cli
