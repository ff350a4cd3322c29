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

// The stages of a machine's migration (docs/MIGRATION.md), and what keeps it from them.
namespace stage {
inline constexpr std::string_view kObserving = "observing";
inline constexpr std::string_view kRedirecting = "redirecting";
inline constexpr std::string_view kRetired = "retired";  // it redirects, and the extension is gone
inline constexpr std::string_view kNotRedirecting = "not_redirecting";  // although it is to
inline constexpr std::string_view kStopped = "stopped";
}  // namespace stage

// What Azure calls a machine, and how far it is. What is empty is not known.
struct Machine {
  std::string subscription;
  std::string resource_group;
  std::string vm;
  std::string scale_set;  // empty as well: it belongs to none
  std::string stage;
  std::string extension;  // the Azure agent's state of it, or kAbsent
};
inline constexpr std::string_view kAbsent = "absent";

struct CallersReport {
  std::string host;
  Machine machine;
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
[[nodiscard]] Result<std::string> to_page(const CallersReport& report);

// A line for each caller below the names of the columns, for spreadsheets.
[[nodiscard]] std::string to_csv(const CallersReport& report);

// From the process that records, else from what the last one has left.
[[nodiscard]] Result<CallersReport> make_report(const config::Config& config);

// Asks IMDS for the machine's names, for at most two seconds, and looks how far it is.
[[nodiscard]] Machine look_at_machine(const config::Config& config);

// A member of a JSON object with a comma in front; what is empty is null.
void append_known(std::string& out, std::string_view name, std::string_view text);
// The members of a machine, each with a comma in front.
void append_names(std::string& out, const Machine& machine);

// The text of callers.state_file; not longer than a table may be, and no links are followed.
[[nodiscard]] Result<std::string> read_state_file(const std::string& path);

// Replaces the file, readable by its owner only, or as `mode` says.
[[nodiscard]] Result<void> write_page(const std::string& path, std::string_view page, unsigned mode = 0600);

}  // namespace msi2imds::cli
