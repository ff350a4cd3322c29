// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdio>

#include "admin/client.hpp"
#include "admin/status.hpp"
#include "cli/commands.hpp"

namespace msi2imds::cli {
int flush(const ConfigFile& file, const FlushOptions& options) {
  const auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  const boost::json::value which = {{"resource", options.resource}, {"identity", options.identity}};
  const Result<std::string> answer = admin::post(config->admin.socket, std::string(admin::kFlushTarget),
                                                 boost::json::serialize(which), kAskTime);
  if (!answer) {
    fmt::print(stderr, "msi2imds: cannot flush tokens: {}\n", answer.error().message());
    return kFailed;
  }
  fmt::print("{}\n", *answer);
  return kGood;
}

}  // namespace msi2imds::cli
