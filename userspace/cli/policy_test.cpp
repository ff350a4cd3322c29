// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <array>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <system_error>
#include <variant>

#include "accounts/accounts.hpp"
#include "accounts/getent.hpp"
#include "base/escape.hpp"
#include "base/run_to_end.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/document.hpp"
#include "cli/settings.hpp"
#include "resolver/sha256.hpp"
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

// Empty: it cannot be read, or is no file.
std::string sha256_of(const std::string& path) {
  std::error_code ec;
  if (!std::filesystem::is_regular_file(path, ec)) {  // to open a FIFO would wait for its other end
    return {};
  }
  std::ifstream file(path, std::ios::binary);
  std::array<char, 65536> piece{};
  resolver::Sha256 hash;
  while (file.read(piece.data(), piece.size()) || file.gcount() > 0) {
    hash.add(std::span(reinterpret_cast<const std::uint8_t*>(piece.data()),
                       static_cast<std::size_t>(file.gcount())));
  }
  return file.eof() ? hash.finish() : std::string();
}

// A rule on a slice goes by the path of the cgroup, which a unit's name does not tell.
bool is_slice_without_path(const PolicyTestOptions& options) {
  return options.cgroup.empty() && options.unit.ends_with(".slice");
}

// What the options say of a caller; what they leave out is unknown. Or an exit status, of which the reason is
// printed.
std::variant<caller::Identity, int> caller_of(const PolicyTestOptions& options) {
  caller::Identity caller;
  caller.uid = options.uid;
  if (!options.user.empty()) {
    std::optional<std::uint32_t> uid = accounts::find_id(accounts::Database::passwd, options.user);
    if (!uid && accounts::has_open_questions()) {
      run_to_end(accounts::ask_getent());
      uid = accounts::find_id(accounts::Database::passwd, options.user);
    }
    if (!uid) {
      (void)std::fprintf(stderr, "msi2imds: cannot find user '%s' in %s; use --uid NUMBER\n",
                         options.user.c_str(), accounts::kPasswdFile);
      return kUsage;
    }
    if (uid == accounts::kNotYetKnown) {
      (void)std::fprintf(stderr, "msi2imds: getent has not told in time who '%s' is; use --uid NUMBER\n",
                         options.user.c_str());
      return kUnknown;
    }
    caller.uid = uid;
  }
  if (is_slice_without_path(options)) {
    (void)std::fprintf(
        stderr,
        "msi2imds: '%s' is a slice, in which units run: give the whole path of the caller's cgroup, as in"
        " --cgroup /.../%s/NAME.service\n",
        options.unit.c_str(), options.unit.c_str());
    return kUsage;
  }
  caller.gids = options.gids;
  // A unit alone does not tell in which slice it is.
  caller.unit = options.cgroup.empty() ? options.unit : resolver::unit_of(options.cgroup);
  caller.cgroup = options.cgroup;
  caller.program = program_of(options.program);
  caller.program_is_verified = !options.program.empty();
  caller.sha256 = options.sha256.empty() ? sha256_of(caller.program) : to_lower(options.sha256);
  caller.container =
      options.container.empty() ? resolver::container_of(options.cgroup) : to_lower(options.container);
  caller.container_name = options.container_name;
  caller.container_image = options.container_image;
  const bool is_given =
      !options.container.empty() || !options.container_name.empty() || !options.container_image.empty();
  caller.container_is_verified = is_given || resolver::container_is_verified(options.cgroup);
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

// "client_id X, by identity.default"; of a nobody why there is no identity.
std::string describe(const policy::Choice& choice) {
  const std::string rule = "identity.rule '" + escape::control_characters(choice.rule) + "'";
  const std::string identity = std::string(token::key_of(choice.identity.kind)) + " " +
                               escape::control_characters(choice.identity.value);
  switch (choice.by) {
    case policy::ChosenBy::client:
      return escape::control_characters(choice.identity.value) + ", which the caller names";
    case policy::ChosenBy::rule:
      return identity + ", by " + rule;
    case policy::ChosenBy::default_:
      return identity + ", by identity.default";
    case policy::ChosenBy::imds:
      return "as IMDS decides, since nobody names one";
    case policy::ChosenBy::nobody:
      break;
  }
  return "not known, since " + rule + " cannot be decided: " + choice.unknown;
}

// What becomes of a request.
struct Verdict {
  policy::Choice choice;
  std::vector<std::string> choice_lines;  // for each rule
  std::vector<std::string> lines;
  policy::Decision decision;
  std::string outcome;
  bool is_allowed = false;  // whatever the mode
  bool is_served = false;
};

Verdict judge(const config::Config& config, const caller::Identity& caller, token::TokenRequest request) {
  const policy::IdentityChoice identities = make_identity_choice(config);
  const policy::Policy policy = make_policy(config);
  Verdict verdict;
  verdict.choice = identities.choose(caller, request);
  verdict.choice_lines = identities.explain(caller, request);
  if (verdict.choice.by == policy::ChosenBy::nobody) {
    verdict.outcome = "answered with 500: the identity is " + describe(verdict.choice);
    return verdict;
  }
  request.identity = verdict.choice.identity;
  verdict.decision = policy.decide(caller, request);
  verdict.lines = policy.explain(caller, request);
  verdict.outcome = outcome_of(policy, verdict.decision);
  verdict.is_allowed = verdict.decision.is_allowed || !policy.is_in_force();
  verdict.is_served = verdict.is_allowed || !policy.enforces();
  return verdict;
}

void print_json(const config::Config& config, const Verdict& verdict) {
  const bool enforces = config.policy.mode == config::PolicyMode::enforce;
  const json::object object = {{"allowed", verdict.is_served},
                               {"allowed_by_rules", verdict.is_allowed},
                               {"mode", enforces ? "enforce" : "audit"},
                               {"identity", verdict.choice.identity.value},
                               {"identity_by", policy::to_string(verdict.choice.by)},
                               {"identity_rule", verdict.choice.rule},
                               {"identity_rules", json::value_from(verdict.choice_lines)},
                               {"rule", verdict.decision.rule},
                               {"rules", json::value_from(verdict.lines)},
                               {"outcome", verdict.outcome}};
  print_document(json::serialize(object));
}

// Of identities only where the configuration speaks of them.
void print_text(const config::Config& config, const Verdict& verdict) {
  for (const std::string& line : verdict.choice_lines) {
    fmt::print("{}\n", line);
  }
  if (config.identity != config::Identity()) {
    fmt::print("the identity is {}\n", describe(verdict.choice));
  }
  for (const std::string& line : verdict.lines) {
    fmt::print("{}\n", line);
  }
  fmt::print("{}\n", verdict.outcome);
}

}  // namespace

int policy_test(const ConfigFile& file, const PolicyTestOptions& options) {
  const auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  const auto caller = caller_of(options);
  if (const int* const failed = std::get_if<int>(&caller)) {
    return *failed;
  }
  const Verdict verdict = judge(*config, std::get<caller::Identity>(caller), request_of(options));
  if (options.json) {
    print_json(*config, verdict);
  } else {
    print_text(*config, verdict);
  }
  return verdict.is_allowed ? kGood : kFailed;
}

}  // namespace msi2imds::cli
