// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/callers_report.hpp"

namespace msi2imds::cli {

// A machine's report as it was read.
struct FleetReport : CallersReport {
  std::string path;
  std::string file;  // the path, with a number after the first of several: "all.json, report 3"
};

// A report that is not in the others' sums.
struct LeftOut {
  std::string file;
  std::string reason;
  bool is_missed = true;  // else a newer report of the same machine is there
  std::size_t count = 1;  // how many it stands for
};

// Reports that are left out: of each file the first few by themselves, and the others by their number, since
// a damaged file may hold millions.
class LeftOutReports {
 public:
  // `path` is that of the report's file.
  void add(const std::string& path, LeftOut report);
  [[nodiscard]] std::vector<LeftOut> take();

 private:
  std::vector<LeftOut> named_;
  std::map<std::pair<std::string, bool>, std::size_t> counts_;  // by path and is_missed
};

// Appends the reports of a file, one after the other, and what in it is none.
void read_reports(const std::string& file, std::vector<FleetReport>& reports, LeftOutReports& left_out);

}  // namespace msi2imds::cli
