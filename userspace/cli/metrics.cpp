// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <chrono>
#include <cstdio>

#include "admin/client.hpp"
#include "admin/status.hpp"
#include "base/escape.hpp"
#include "cli/callers_report.hpp"
#include "cli/commands.hpp"
#include "cli/silence.hpp"

namespace msi2imds::cli {
int metrics(const ConfigFile& file, const MetricsOptions& options) {
  const auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  const Result<std::string> answer =
      admin::get(config->admin.socket, std::string(admin::kMetricsTarget), kAskTime);
  if (!answer) {
    fmt::print(stderr, "msi2imds: cannot show metrics: {}\n",
               escape::control_characters(explain_silence(answer.error(), config->admin.socket)));
    return kFailed;
  }
  constexpr unsigned kForEverybody = 0644;
  const Result<void> written =
      write_page(options.output.empty() ? "-" : options.output, *answer, kForEverybody);
  if (!written) {
    fmt::print(stderr, "msi2imds: cannot {}\n", escape::control_characters(written.error().message()));
    return kFailed;
  }
  return kGood;
}

}  // namespace msi2imds::cli
