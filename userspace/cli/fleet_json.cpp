// SPDX-License-Identifier: MIT
#include <algorithm>
#include <span>

#include "base/json.hpp"
#include "cli/callers_page.hpp"
#include "cli/fleet.hpp"
#include "cli/library_change.hpp"
#include "usage/document.hpp"
#include "usage/row_json.hpp"

namespace msi2imds::cli {
namespace {

using usage::append_array;
using usage::append_member;

// Of a page: a browser on a phone has to read it.
constexpr std::size_t kCallersOfPage = 200;
constexpr std::size_t kMachinesOfPage = 300;  // by which a caller is named
constexpr std::size_t kAll = SIZE_MAX;

void append_bool(std::string& out, std::string_view name, bool value) {
  out += ",\"";
  out += name;
  out += value ? "\":true" : "\":false";
}

// With a comma in front; 0 is null.
void append_time(std::string& out, std::string_view name, std::int64_t time) {
  if (time == 0) {
    append_known(out, name, "");
  } else {
    append_member(out, name, time);
  }
}

void append(std::string& out, const FleetMachine& machine) {
  out += "{\"host\":";
  append_json_string(out, machine.host);
  append_names(out, machine.machine);
  append_member(out, "file", machine.file);
  append_member(out, "made", machine.made);
  append_bool(out, "is_old", machine.is_old);
  append_member(out, "quiet_days", machine.quiet_days);
  append_time(out, "recorded_since", machine.recorded_since);
  append_time(out, "last_request", machine.last_request);
  append_member(out, "callers", std::uint64_t{machine.callers});
  append_member(out, "requests_of_days", machine.requests);
  append_member(out, "quiet_at", machine.quiet_at);
  out += ",\"verdict\":{\"kind\":";
  append_json_string(out, usage::to_string(machine.verdict.kind));
  append_member(out, "text", machine.verdict.text);
  out += '}';
  append_member(out, "next", machine.next);
  out += '}';
}

void append(std::string& out, const FleetCaller& caller, std::size_t most_machines) {
  usage::append_json(out, caller.row);
  out.back() = ',';  // in place of the brace: there is more to say
  out += "\"machine_count\":" + std::to_string(caller.machines.size());
  const std::span named(caller.machines.data(), std::min(caller.machines.size(), most_machines));
  append_array(out, "machines", named,
               [](std::string& text, std::size_t index) { text += std::to_string(index); });
  out += '}';
}

// The callers with an index of at least `first`, as one.
FleetCaller others_of(const Fleet& fleet, std::size_t first) {
  FleetCaller others;
  others.row.is_others = true;
  for (std::size_t i = first; i < fleet.callers.size(); ++i) {
    const FleetCaller& caller = fleet.callers[i];
    others.row.merge(caller.row);
    std::vector<std::size_t> machines;
    std::ranges::set_union(others.machines, caller.machines, std::back_inserter(machines));
    others.machines = std::move(machines);
  }
  return others;
}

std::string to_json(const Fleet& fleet, std::size_t most_callers, std::size_t most_machines) {
  std::string out = R"({"format":"msi2imds fleet")";
  append_member(out, "made", fleet.made);
  append_bool(out, "done", fleet.done);
  append_member(out, "answer", fleet.answer);
  append_member(out, "done_when", fleet.done_when);
  std::vector<const usage::Row*> rows;
  for (const FleetCaller& caller : fleet.callers) {
    rows.push_back(&caller.row);
  }
  append_libraries_seen(out, rows);
  append_array(out, "recorded_days", fleet.recorded_on, [](std::string& text, const auto& day) {
    text += "[" + std::to_string(day.first) + "," + std::to_string(day.second) + "]";
  });
  append_array(out, "machines", fleet.machines,
               [](std::string& text, const FleetMachine& machine) { append(text, machine); });
  const std::span shown(fleet.callers.data(), std::min(fleet.callers.size(), most_callers));
  append_array(out, "callers", shown, [most_machines](std::string& text, const FleetCaller& caller) {
    append(text, caller, most_machines);
  });
  if (shown.size() < fleet.callers.size()) {
    out.back() = ',';  // in place of the bracket
    append(out, others_of(fleet, shown.size()), most_machines);
    out += ']';
  }
  append_array(out, "left_out", fleet.left_out, [](std::string& text, const LeftOut& report) {
    text += "{\"file\":";
    append_json_string(text, report.file);
    append_member(text, "reason", report.reason);
    append_member(text, "count", std::uint64_t{report.count});
    append_bool(text, "is_missed", report.is_missed);
    text += '}';
  });
  out += '}';
  return out;
}

}  // namespace

std::string to_json(const Fleet& fleet) {
  return to_json(fleet, kAll, kAll);
}

Result<std::string> to_page(const Fleet& fleet) {
  return page_of(to_json(fleet, kCallersOfPage, kMachinesOfPage));
}

}  // namespace msi2imds::cli
