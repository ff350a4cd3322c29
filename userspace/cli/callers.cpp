// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "base/escape.hpp"
#include "cli/callers_document.hpp"
#include "cli/callers_report.hpp"
#include "cli/commands.hpp"

namespace msi2imds::cli {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "this host";
}

Result<CallersReport> make_report(const config::Config& config) {
  Result<CallersDocument> document = find_callers(config);
  if (!document) {
    return document.error();
  }
  CallersReport report;
  report.host = host_name();
  report.made = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  report.quiet_days = config.retire.quiet_days;
  report.running = document->running;
  report.table = std::move(document->table);
  report.verdict = usage::judge(report.table, report.made, report.quiet_days);
  return report;
}

int complain(const Error& error) {
  fmt::print(stderr, "msi2imds: callers: {}\n", escape::control_characters(error.message()));
  return kFailed;
}

}  // namespace

int callers(const ConfigFile& file, const CallersOptions& options) {
  const auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  const Result<CallersReport> report = make_report(*config);
  if (!report) {
    return complain(report.error());
  }
  if (!options.page.empty()) {
    const auto written = write_page(options.page, to_page(*report));
    return written ? kGood : complain(written.error());
  }
  fmt::print("{}", options.json ? to_json(*report) + "\n" : to_text(*report));
  return kGood;
}

}  // namespace msi2imds::cli
