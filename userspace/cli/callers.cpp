// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include "base/escape.hpp"
#include "cli/callers_report.hpp"
#include "cli/commands.hpp"

namespace msi2imds::cli {
namespace {

int complain(const Error& error) {
  fmt::print(stderr, "msi2imds: cannot show callers: {}\n", escape::control_characters(error.message()));
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
