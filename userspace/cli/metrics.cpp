// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <chrono>
#include <cstdio>

#include "admin/client.hpp"
#include "admin/status.hpp"
#include "base/escape.hpp"
#include "cli/commands.hpp"
#include "cli/silence.hpp"

namespace msi2imds::cli {
int metrics(const ConfigFile& file) {
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
  fmt::print("{}", *answer);
  return kGood;
}

}  // namespace msi2imds::cli
