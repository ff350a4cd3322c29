// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>

#include "accounts/accounts.hpp"
#include "cli/commands.hpp"
#include "cli/policy.hpp"
#include "resolver/unit.hpp"

namespace msi2imds::cli {
namespace {

namespace json = boost::json;

// The kernel shows a running program without the symbolic links that led to it.
std::string program_of(const std::string& path) {
  std::error_code ec;
  const std::filesystem::path real = std::filesystem::canonical(path, ec);
  return ec ? path : real.string();
}

// What the options say of a caller; what they leave out is unknown.
std::optional<caller::Identity> caller_of(const PolicyTestOptions& options) {
  caller::Identity caller;
  caller.uid = options.uid;
  if (!options.user.empty()) {
    const auto user = accounts::find_user(options.user);
    if (!user) {
      (void)std::fprintf(stderr, "msi2imds: there is no user '%s' in %s; use --uid NUMBER\n",
                         options.user.c_str(), accounts::kPasswdFile);
      return std::nullopt;
    }
    caller.uid = user->uid;
  }
  caller.gids = options.gids;
  // A unit alone does not tell in which slice it is.
  caller.unit = options.cgroup.empty() ? options.unit : resolver::unit_of(options.cgroup);
  caller.cgroup = options.cgroup;
  caller.program = program_of(options.program);
  caller.program_is_verified = !options.program.empty();
  caller.unknown_because = "not given";
  return caller;
}

token::TokenRequest request_of(const PolicyTestOptions& options) {
  token::TokenRequest request;
  request.resource = options.resource;
  if (!options.identity.empty() && options.identity != "none") {
    request.identity = {token::SelectorKind::client_id, options.identity};
  }
  return request;
}

std::string outcome_of(const policy::Policy& policy, const policy::Decision& decision) {
  const std::string by = decision.rule.empty() ? "policy.default" : "rule '" + decision.rule + "'";
  if (decision.is_allowed) {
    return "allowed by " + by;
  }
  if (!policy.is_in_force()) {
    return "allowed: there are no rules";
  }
  return policy.enforces() ? "refused with 403 by " + by
                           : "allowed, since policy.mode is \"audit\"; \"enforce\" would refuse it by " + by;
}

}  // namespace

int policy_test(const ConfigFile& file, const PolicyTestOptions& options) {
  const auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  const auto caller = caller_of(options);
  if (!caller) {
    return kUsage;
  }
  const policy::Policy policy = make_policy(*config);
  const token::TokenRequest request = request_of(options);
  const policy::Decision decision = policy.decide(*caller, request);
  const bool is_allowed = decision.is_allowed || !policy.is_in_force();  // whatever the mode
  const std::vector<std::string> lines = policy.explain(*caller, request);
  if (options.json) {
    const json::object object = {{"allowed", is_allowed || !policy.enforces()},
                                 {"allowed_by_rules", is_allowed},
                                 {"mode", policy.enforces() ? "enforce" : "audit"},
                                 {"rule", decision.rule},
                                 {"rules", json::value_from(lines)},
                                 {"outcome", outcome_of(policy, decision)}};
    fmt::print("{}\n", json::serialize(object));
  } else {
    for (const std::string& line : lines) {
      fmt::print("{}\n", line);
    }
    fmt::print("{}\n", outcome_of(policy, decision));
  }
  return is_allowed ? kGood : kFailed;
}

}  // namespace msi2imds::cli
