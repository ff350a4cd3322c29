// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/escape.hpp"
#include "base/text.hpp"
#include "cli/callers_csv.hpp"
#include "cli/fleet.hpp"
#include "cli/library_change.hpp"

namespace msi2imds::cli {
namespace {

using Fields = std::vector<std::string>;

// Columns as wide as their longest cell, numbers (`right` names their columns) to the right.
std::string lay_out(const std::vector<Fields>& rows, const std::vector<std::size_t>& right) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Fields& cells : rows) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      widths[i] = std::max(widths[i], cells[i].size());
    }
  }
  std::string text;
  for (const Fields& cells : rows) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const bool is_right = std::ranges::find(right, i) != right.end();
      line += i == 0 ? "" : "  ";
      line +=
          is_right ? fmt::format("{:>{}}", cells[i], widths[i]) : fmt::format("{:<{}}", cells[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text + "\n";
}

std::string shown(std::string_view text) {
  return text.empty() ? "-" : escape::control_characters(text);
}

std::string day_of(std::int64_t time) {
  return time == 0 ? "-" : usage::day(time);
}

std::string place_of(const usage::Row& row) {
  if (row.is_others) {
    return "(other callers)";
  }
  if (!row.container_name.empty()) {
    const std::string container = "container " + shown(row.container_name);
    return row.container_image.empty() ? container : container + " of " + shown(row.container_image);
  }
  return shown(row.unit.empty() ? row.cgroup : row.unit);
}

Fields cells_of(const FleetCaller& caller, std::int64_t now) {
  const usage::Row& row = caller.row;
  const std::vector<std::size_t> libraries = libraries_of(row);
  return {place_of(row),
          shown(row.program.empty() ? row.comm : row.program),
          with_separators(caller.machines.size()),
          day_of(row.first_seen),
          usage::ago(row.last_seen, now),
          with_separators(row.days.size()),
          with_separators(row.requests),
          libraries.empty() ? "-" : std::string(kLibraryChanges[libraries.front()].name)};
}

Fields cells_of(const FleetMachine& machine, std::int64_t now) {
  const bool is_named = !machine.machine.vm.empty();
  return {shown(is_named ? machine.machine.vm : machine.host),
          shown(machine.machine.resource_group),
          shown(machine.machine.stage),
          shown(machine.machine.extension),
          std::string(usage::to_string(machine.verdict.kind)),
          machine.last_request == 0 ? "-" : usage::ago(machine.last_request, now),
          machine.next};
}

// How each library that is seen is moved to IMDS.
std::string changes_of(const Fleet& fleet) {
  std::array<bool, token::kLibraries.size()> seen{};
  for (const FleetCaller& caller : fleet.callers) {
    for (const std::size_t library : libraries_of(caller.row)) {
      seen[library] = true;
    }
  }
  std::string text;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (seen[i]) {
      const LibraryChange& known = kLibraryChanges[i];
      text += fmt::format("{}: {}\n    {}\n", known.name, known.change, known.url);
    }
  }
  return text.empty() ? text : text + "\n";
}

}  // namespace

std::string to_text(const Fleet& fleet) {
  std::string text;
  if (!fleet.callers.empty()) {
    std::vector<Fields> rows{
        {"UNIT", "PROGRAM", "MACHINES", "SINCE", "LAST SEEN", "DAYS", "REQUESTS", "LOOKS LIKE"}};
    for (const FleetCaller& caller : fleet.callers) {
      rows.push_back(cells_of(caller, fleet.made));
    }
    text += lay_out(rows, {2, 5, 6}) + changes_of(fleet);
  }
  if (!fleet.machines.empty()) {
    std::vector<Fields> rows{
        {"MACHINE", "RESOURCE GROUP", "STAGE", "EXTENSION", "VERDICT", "LAST REQUEST", "NEXT"}};
    for (const FleetMachine& machine : fleet.machines) {
      rows.push_back(cells_of(machine, fleet.made));
    }
    text += lay_out(rows, {});
  }
  text += fleet.answer + "\n";
  return fleet.done_when.empty() ? text : text + fleet.done_when + "\n";
}

std::string to_csv(const Fleet& fleet) {
  std::string text = csv_head();
  for (const FleetMachine& machine : fleet.machines) {
    text += machine.csv;
  }
  return text;
}

}  // namespace msi2imds::cli
