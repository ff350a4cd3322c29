// SPDX-License-Identifier: MIT
#include "cli/callers_csv.hpp"

#include <array>
#include <ctime>

#include "base/escape.hpp"
#include "cli/fleet_caller_name.hpp"
#include "cli/library_change.hpp"

namespace msi2imds::cli {
namespace {

// "2026-07-14T09:30:00Z"; empty for 0.
std::string time_text(std::int64_t time) {
  std::tm fields{};
  const std::time_t seconds = time;
  if (time == 0 || ::gmtime_r(&seconds, &fields) == nullptr) {
    return "";
  }
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &fields)};
}

// A ' in front of each =, +, - and @ that a spreadsheet would take for the begin of a formula: at the begin
// of the field, and behind a semicolon, at which some split lines whatever is in quotes.
std::string without_formulas(std::string_view text) {
  std::string out;
  bool may_begin = true;
  for (const char c : text) {
    if (may_begin && std::string_view("=+-@").find(c) != std::string_view::npos) {
      out += '\'';
    }
    may_begin = c == ';' || (may_begin && (c == ' ' || c == '"'));
    out += c;
  }
  return out;
}

void append_field(std::string& line, std::string_view text) {
  const std::string field = without_formulas(escape::control_characters(text));
  if (!line.empty() && line.back() != '\n') {
    line += ',';
  }
  if (field.find_first_of(",;\"") == std::string::npos) {
    line += field.empty() ? "\"\"" : field;
    return;
  }
  line += '"';
  for (const char c : field) {
    line += c;
    if (c == '"') {
      line += c;
    }
  }
  line += '"';
}

std::string users_of(const usage::Row& row) {
  std::string users;
  for (const usage::User& user : row.users) {
    users += users.empty() ? "" : " ";
    users += user.name.empty() ? std::to_string(user.uid) : user.name;
  }
  return users + (row.has_more_users ? " ..." : "");
}

std::string resources_of(const usage::Row& row) {
  std::string resources;
  for (const usage::Use& use : row.resources.named) {
    resources += resources.empty() ? "" : " ";
    resources += use.name;
  }
  return resources + (row.resources.rest.requests > 0 ? " ..." : "");
}

void append_machine(std::string& lines, const CallersReport& report) {
  const Machine& machine = report.machine;
  for (const std::string_view text :
       {std::string_view(machine.subscription), std::string_view(machine.resource_group),
        std::string_view(machine.scale_set), std::string_view(machine.vm), std::string_view(report.host),
        std::string_view(machine.stage), std::string_view(machine.extension),
        usage::to_string(report.verdict.kind)}) {
    append_field(lines, text);
  }
  append_field(lines, time_text(report.made));
}

void append_caller(std::string& lines, const usage::Row& row) {
  append_field(lines, row.is_others ? "(other callers)" : row.unit.empty() ? row.cgroup : row.unit);
  append_field(lines, row.program.empty() ? row.comm : row.program);
  append_field(lines, row.container);
  append_field(lines, row.unknown_because);
  append_field(lines, users_of(row));
  append_field(lines, time_text(row.first_seen));
  append_field(lines, time_text(row.last_seen));
  append_field(lines, std::to_string(row.requests));
  append_field(lines, std::to_string(requests_of_days(row)));
  append_field(lines, resources_of(row));
  append_field(lines, libraries_text(row));
  const std::vector<std::size_t> libraries = libraries_of(row);
  append_field(lines, libraries.empty() ? "" : kLibraryChanges[libraries.front()].change);
  append_field(lines, libraries.empty() ? "" : kLibraryChanges[libraries.front()].url);
  append_field(lines, row.container_name);
  append_field(lines, row.container_image);
}

}  // namespace

std::string csv_head() {
  return "subscription,resource_group,scale_set,vm,host,stage,extension,verdict,made,unit,program,container,"
         "unknown_because,users,first_seen,last_seen,requests,requests_in_92_days,resources,looks_like,"
         "change,documented,container_name,container_image\n";
}

std::string csv_lines(const CallersReport& report) {
  std::string lines;
  for (const usage::Row* row : report.table.latest_first()) {
    append_machine(lines, report);
    append_caller(lines, *row);
    lines += '\n';
  }
  if (report.table.rows().empty()) {
    append_machine(lines, report);
    lines += ",,,,,,,,,,,,,,,\n";
  }
  return lines;
}

std::string to_csv(const CallersReport& report) {
  return csv_head() + csv_lines(report);
}

}  // namespace msi2imds::cli
