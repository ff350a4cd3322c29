// SPDX-License-Identifier: MIT
#include "cli/callers_report.hpp"

#include "base/json.hpp"

namespace msi2imds::cli {

std::string to_json(const CallersReport& report) {
  std::string out = "{\"host\":";
  append_json_string(out, report.host);
  out += ",\"made\":" + std::to_string(report.made);
  out += ",\"quiet_days\":" + std::to_string(report.quiet_days);
  out += ",\"running\":";
  out += report.running ? "true" : "false";
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

std::string to_page(const CallersReport& report) {
  constexpr std::string_view kPlace = "@REPORT@";
  std::string page(kCallersPage);
  // Nothing in the JSON can end the element it stands in: it has no "<".
  return page.replace(page.find(kPlace), kPlace.size(), to_json(report));
}

}  // namespace msi2imds::cli
