// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.hpp"
#include "usage/table.hpp"
#include "usage/verdict.hpp"

// What `msi2imds callers` shows, in its three forms. Names that callers chose are escaped for each.
namespace msi2imds::cli {

struct CallersReport {
  std::string host;
  std::int64_t made = 0;
  std::int64_t quiet_days = 0;
  bool running = true;  // else read from the state file
  usage::Table table;
  usage::Verdict verdict;
};

// For a terminal of so many columns; nothing: whatever the length of its names, for programs that read them.
[[nodiscard]] std::string to_text(const CallersReport& report, std::optional<std::size_t> columns);
// One line of ASCII.
[[nodiscard]] std::string to_json(const CallersReport& report);
// One HTML page that needs nothing else.
[[nodiscard]] std::string to_page(const CallersReport& report);

// From the process that records, else from what the last one has left.
[[nodiscard]] Result<CallersReport> make_report(const config::Config& config);

// The page with @REPORT@ where the JSON belongs.
extern const std::string_view kCallersPage;

// The text of callers.state_file; not longer than a table may be, and no links are followed.
[[nodiscard]] Result<std::string> read_state_file(const std::string& path);

// Replaces the file, readable by its owner only.
[[nodiscard]] Result<void> write_page(const std::string& path, std::string_view page);

}  // namespace msi2imds::cli
