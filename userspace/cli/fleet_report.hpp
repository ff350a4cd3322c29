// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "cli/callers_report.hpp"

namespace msi2imds::cli {

// A machine's report as it was read.
struct FleetReport : CallersReport {
  std::string file;  // with a number after the first of several: "all.json, report 3"
};

// A report that is not in the others' sums.
struct LeftOut {
  std::string file;
  std::string reason;
  bool is_missed = true;  // else a newer report of the same machine is there
};

// Appends the reports of a file, one after the other, and what in it is none.
void read_reports(const std::string& file, std::vector<FleetReport>& reports, std::vector<LeftOut>& left_out);

}  // namespace msi2imds::cli
