// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdio>
#include <optional>
#include <string>

#include "admin/client.hpp"
#include "admin/status.hpp"
#include "base/escape.hpp"
#include "cli/commands.hpp"
#include "cli/document.hpp"
#include "cli/silence.hpp"

namespace msi2imds::cli {
namespace {

// Of {"flushed":3}.
std::optional<std::int64_t> read_flushed(const std::string& answer) {
  boost::system::error_code ec;
  const boost::json::value document = boost::json::parse(answer, ec);
  const boost::json::object* object = ec ? nullptr : document.if_object();
  const boost::json::value* number = object != nullptr ? object->if_contains("flushed") : nullptr;
  return number != nullptr && number->is_int64() ? std::optional(number->get_int64()) : std::nullopt;
}

// " of identity I for resource R", as they were given.
std::string describe(const FlushOptions& options) {
  return (options.identity.empty() ? "" : " of identity " + escape::control_characters(options.identity)) +
         (options.resource.empty() ? "" : " for " + escape::control_characters(options.resource));
}

}  // namespace

int flush(const ConfigFile& file, const FlushOptions& options) {
  const auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  const boost::json::value which = {{"resource", options.resource}, {"identity", options.identity}};
  const Result<std::string> answer = admin::post(config->admin.socket, std::string(admin::kFlushTarget),
                                                 boost::json::serialize(which), kAskTime);
  if (!answer) {
    fmt::print(stderr, "msi2imds: cannot flush tokens: {}\n",
               escape::control_characters(explain_silence(answer.error(), config->admin.socket)));
    return kFailed;
  }
  const auto flushed = read_flushed(*answer);
  if (!flushed) {
    fmt::print(stderr, "msi2imds: cannot understand how many tokens were forgotten: {}\n",
               escape::control_characters(*answer));
    return kFailed;
  }
  if (options.json) {
    print_document(*answer);
    return kGood;
  }
  if (*flushed == 0) {
    const bool any = options.identity.empty() && options.resource.empty();
    fmt::print("no token{} is cached, so none is forgotten{}\n", describe(options),
               any ? "" : "; msi2imds callers lists the resources and identities that were asked for");
    return kGood;
  }
  fmt::print("{} {} forgotten; IMDS is asked for new ones\n", *flushed,
             *flushed == 1 ? "token is" : "tokens are");
  return kGood;
}

}  // namespace msi2imds::cli
