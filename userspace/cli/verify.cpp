// SPDX-License-Identifier: MIT
#include "migration/verify.hpp"

#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>

#include "base/escape.hpp"
#include "base/number_of.hpp"
#include "cli/callers_report.hpp"
#include "cli/commands.hpp"
#include "cli/document.hpp"
#include "cli/verification.hpp"
#include "waagent/ports.hpp"
#include "waagent/presence.hpp"
#include "waagent/process.hpp"

namespace msi2imds::cli {
namespace {

namespace json = boost::json;
using migration::Comparison;

constexpr std::size_t kMostRequests = 32;

// The extension is one program, on whatever port.
std::uint16_t extension_port(const config::Config& config) {
  for (const waagent::ExtensionProcess& process : waagent::find_processes("/proc")) {
    if (!process.listens.empty()) {
      return process.listens.front().port();
    }
  }
  return config.legacy.ports.front();
}

std::vector<token::TokenRequest> requests_given(const VerifyOptions& options) {
  std::vector<token::TokenRequest> requests;
  const std::vector<std::string> none = {""};
  for (const std::string& resource : options.resources) {
    for (const std::string& identity : options.identities.empty() ? none : options.identities) {
      token::TokenRequest request;
      request.resource = resource;
      request.identity = migration::selector_of(identity);
      requests.push_back(std::move(request));
    }
  }
  return requests;
}

std::string describe(const Comparison& comparison) {
  return escape::control_characters(comparison.resource) + ", " +
         (comparison.identity.empty() ? "no identity named"
                                      : "identity " + escape::control_characters(comparison.identity));
}

json::object to_json(const Comparison& comparison) {
  return {{"resource", comparison.resource},
          {"identity", comparison.identity},
          {"port", comparison.port},
          {"outcome", migration::to_string(comparison.outcome)},
          {"reasons", json::value_from(comparison.reasons)},
          {"setting", comparison.setting}};
}

const char* word_for(Comparison::Outcome outcome) {
  switch (outcome) {
    case Comparison::Outcome::same:
      return "same";
    case Comparison::Outcome::different:
      return "DIFFERENT";
    case Comparison::Outcome::nothing_to_compare:
      return "nothing there";
    case Comparison::Outcome::not_comparable:
      break;
  }
  return "not compared";
}

void print_text(const Verification& verification) {
  if (verification.is_guess) {
    fmt::print(
        "What callers ask for was not seen yet, so a token for Azure's management API was asked for. Name "
        "others with --resource.\n");
  }
  for (const Comparison& comparison : verification.comparisons) {
    fmt::print("{:<13} {}\n", word_for(comparison.outcome), describe(comparison));
    for (const std::string& reason : comparison.reasons) {
      fmt::print("              {}\n", escape::control_characters(reason));
    }
  }
  fmt::print("{}\n", summary_of(verification));
}

// Whether there is nothing to compare, and IMDS refuses all that was tried: one request may be wrong by
// itself.
bool is_without_tokens(const Verification& verification) {
  bool is_alone = false;
  for (const Comparison& comparison : verification.comparisons) {
    if (comparison.imds_gives_token) {
      return false;
    }
    is_alone = is_alone || comparison.outcome == Comparison::Outcome::nothing_to_compare;
  }
  return is_alone;
}

}  // namespace

bool Verification::is_good() const {
  return !is_without_tokens(*this) && std::ranges::all_of(comparisons, [](const Comparison& comparison) {
    return comparison.outcome == Comparison::Outcome::same ||
           comparison.outcome == Comparison::Outcome::nothing_to_compare;
  });
}

std::string summary_of(const Verification& verification) {
  const auto count = [&](Comparison::Outcome outcome) {
    return std::ranges::count(verification.comparisons, outcome, &Comparison::outcome);
  };
  const auto different = count(Comparison::Outcome::different);
  const auto missing = count(Comparison::Outcome::not_comparable);
  if (is_without_tokens(verification)) {
    return fmt::format("The extension is not on this machine, and IMDS gives no token ({} tried).",
                       verification.comparisons.size());
  }
  if (missing + different == 0 && count(Comparison::Outcome::nothing_to_compare) != 0) {
    return fmt::format(
        "The extension is not on this machine: nothing to compare. IMDS gives tokens for {} of {} tried.",
        std::ranges::count(verification.comparisons, true, &Comparison::imds_gives_token),
        verification.comparisons.size());
  }
  if (different == 0 && missing == 0) {
    const auto given = std::ranges::count(verification.comparisons, true, &Comparison::imds_gives_token);
    const auto refused = std::ssize(verification.comparisons) - given;
    if (given == 0) {
      return fmt::format("The extension and IMDS both refuse ({} compared): no token was compared.", refused);
    }
    return fmt::format("The extension and IMDS give the same tokens ({} compared){}.", given,
                       refused == 0 ? ""
                                    : fmt::format(", and both refuse {}",
                                                  number_of(static_cast<std::uint64_t>(refused), "request")));
  }
  return fmt::format("Of {}, {} would be answered differently and {} could not be compared.",
                     number_of(verification.comparisons.size(), "request"), different, missing);
}

Verification verify_all(const config::Config& config, std::vector<token::TokenRequest> requests) {
  Verification verification;
  if (requests.empty()) {
    const Result<CallersReport> callers = make_report(config);
    const usage::Table nothing;
    const usage::Table& table = callers ? callers->table : nothing;
    requests = migration::requests_in_use(table, kMostRequests, config.identity.default_);
    verification.is_guess = std::ranges::none_of(
        table.rows(), [](const usage::Row& row) { return !row.resources.named.empty(); });
  }
  const migration::ExtensionSide extension{.port = extension_port(config),
                                           .is_present = waagent::is_present(waagent::places_of(config))};
  for (token::TokenRequest& request : requests) {
    verification.comparisons.push_back(migration::compare(config, extension, std::move(request)));
  }
  return verification;
}

void keep_secrets_out_of_core_dumps() {
  const rlimit none{};
  (void)::setrlimit(RLIMIT_CORE, &none);
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int verify(const ConfigFile& file, const VerifyOptions& options) {
  auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  if (::geteuid() != 0) {
    fmt::print(stderr,
               "msi2imds: cannot verify: verify needs root, to ask the extension from a port that only root "
               "may take\n");
    return kUnknown;
  }
  keep_secrets_out_of_core_dumps();
  (void)waagent::settle_ports(*config);
  const Verification verification = verify_all(*config, requests_given(options));
  if (options.json) {
    json::array comparisons;
    for (const Comparison& comparison : verification.comparisons) {
      comparisons.push_back(to_json(comparison));
    }
    const json::object document = {{"good", verification.is_good()},
                                   {"guessed", verification.is_guess},
                                   {"summary", summary_of(verification)},
                                   {"comparisons", std::move(comparisons)}};
    print_document(json::serialize(document));
  } else {
    print_text(verification);
  }
  return verification.is_good() ? kGood : kFailed;
}

}  // namespace msi2imds::cli
