// SPDX-License-Identifier: MIT
#include "cli/callers_report.hpp"

#include "base/json.hpp"
#include "cli/callers_page.hpp"
#include "cli/library_change.hpp"
#include "usage/document.hpp"

namespace msi2imds::cli {

void append_known(std::string& out, std::string_view name, std::string_view text) {
  if (!text.empty()) {
    usage::append_member(out, name, text);
    return;
  }
  out += ",\"";
  out += name;
  out += "\":null";
}

void append_names(std::string& out, const Machine& machine) {
  append_known(out, "subscription", machine.subscription);
  append_known(out, "resource_group", machine.resource_group);
  append_known(out, "vm", machine.vm);
  append_known(out, "scale_set", machine.scale_set);
  append_known(out, "stage", machine.stage);
  append_known(out, "extension", machine.extension);
}

std::string to_json(const CallersReport& report) {
  std::string out = "{\"host\":";
  append_json_string(out, report.host);
  out += ",\"made\":" + std::to_string(report.made);
  out += ",\"quiet_days\":" + std::to_string(report.quiet_days);
  out += ",\"running\":";
  out += report.running ? "true" : "false";
  std::string machine;
  append_names(machine, report.machine);
  out += ",\"machine\":{" + machine.substr(1) + "}";
  append_libraries_seen(out, report.table.latest_first());
  out += ",\"verdict\":{\"kind\":";
  append_json_string(out, usage::to_string(report.verdict.kind));
  out += ",\"text\":";
  append_json_string(out, report.verdict.text);
  out += ",\"reasons\":[";
  for (const std::string& reason : report.verdict.reasons) {
    out += out.back() == '[' ? "" : ",";
    append_json_string(out, reason);
  }
  out += "]},";
  out += report.table.to_json().substr(1);  // its members become ours
  return out;
}

Result<std::string> to_page(const CallersReport& report) {
  return page_of(to_json(report));
}

}  // namespace msi2imds::cli
