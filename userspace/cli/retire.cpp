// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <optional>

#include "base/escape.hpp"
#include "base/number_of.hpp"
#include "cli/callers_report.hpp"
#include "cli/commands.hpp"
#include "cli/document.hpp"
#include "cli/status_report.hpp"
#include "cli/verification.hpp"
#include "migration/established.hpp"
#include "migration/imds.hpp"
#include "migration/removal.hpp"
#include "waagent/discovery_file.hpp"
#include "waagent/ports.hpp"
#include "waagent/presence.hpp"
#include "waagent/process.hpp"

namespace msi2imds::cli {
namespace {

namespace json = boost::json;

// One thing that has to be true before the extension may go, or after it has gone.
struct Check {
  bool is_good = false;
  std::string text;
  std::string advice;  // what to do, if it is not
};

struct Retirement {
  bool is_removed = false;  // the extension is gone already
  std::vector<Check> checks;
  std::optional<usage::Verdict> endpoint;  // whether anybody still uses it
  std::string endpoint_unknown;            // why that is not known
  std::optional<migration::Instance> instance;
  std::string instance_unknown;

  [[nodiscard]] bool is_good() const {
    return std::ranges::all_of(checks, &Check::is_good);
  }
};

Check check_interception(const StatusReport& status) {
  if (status.intercepting) {
    return {true, "connections to the legacy ports arrive at msi2imds (" + status.status->backend + ")", {}};
  }
  return {false, "connections to the legacy ports do not arrive at msi2imds: " + status.reason,
          "cut over first: systemctl start msi2imds, then msi2imds status"};
}

Check check_tokens(const config::Config& config) {
  const Verification verification = verify_all(config, {});
  return {verification.is_good(), summary_of(verification), "see why: msi2imds verify"};
}

// What callers were seen to ask for, without the extension.
Check check_imds(const config::Config& config, const std::vector<token::TokenRequest>& requests) {
  for (const token::TokenRequest& request : requests) {
    const token::FetchResult answer =
        migration::ask_token(config.imds, migration::with_default(request, config.identity));
    if (!answer) {
      return {false, "IMDS does not answer: " + answer.error().error.message(),
              "find out why: msi2imds doctor"};
    }
  }
  return {true,
          fmt::format("IMDS answers what callers ask for ({} tried)", number_of(requests.size(), "request")),
          {}};
}

Check check_established(const std::vector<waagent::ExtensionProcess>& processes) {
  const auto open = migration::connections_to_extension(processes);
  if (!open) {
    return {false, "cannot see who is still connected to the extension: " + open.error().message(),
            "run as root"};
  }
  if (open->empty()) {
    return {true, "nobody keeps a connection to the extension open", {}};
  }
  std::vector<std::string> names;
  for (const migration::Established& one : *open) {
    names.push_back(
        one.client.to_string() + " " +
        (one.pid == 0 ? "of an unknown process" : fmt::format("of process {} ({})", one.pid, one.program)));
  }
  return {false,
          fmt::format("{} connection{} to the extension still open, and would be cut: {}", open->size(),
                      open->size() == 1 ? " is" : "s are", fmt::join(names, ", ")),
          "wait until the applications close them, or restart the extension: whoever connects anew comes to "
          "msi2imds"};
}

Check check_discovery_file(const config::Config& config) {
  const auto file = waagent::read_discovery_file(waagent::places_of(config));
  const std::string name = std::string(waagent::kDiscoveryFile);
  if (!file) {
    return {false, file.error().message(),
            "put a file with {\"url\":\"http://localhost:PORT\"} in its place"};
  }
  if (!*file) {
    return {false, name + " is missing: older clients would not find the endpoint",
            "msi2imds makes it while it redirects; look into its log"};
  }
  const auto port = (*file)->port;
  if (!port || std::ranges::find(config.legacy.ports, *port) == config.legacy.ports.end()) {
    return {false, name + " leads to no legacy port", "add its port to legacy.ports, and reload"};
  }
  return {true, fmt::format("{} leads older clients to port {}", name, *port), {}};
}

Check check_last_answer(const admin::Status& status) {
  const std::string& failure = status.imds_last_failure;
  return failure.empty() ? Check{true, "the last request to IMDS was answered", {}}
                         : Check{false, "the last request to IMDS failed: " + failure, "msi2imds doctor"};
}

Retirement assess(const config::Config& config) {
  Retirement retirement;
  const StatusReport status = look(config);
  const auto processes = waagent::find_processes("/proc");
  retirement.is_removed = !waagent::is_present(waagent::places_of(config));
  const Result<CallersReport> callers = make_report(config);

  retirement.checks.push_back(check_interception(status));
  if (retirement.is_removed) {
    const usage::Table nothing;
    retirement.checks.push_back(check_imds(
        config, migration::requests_in_use(callers ? callers->table : nothing, 8, config.identity.default_)));
    if (status.status && status.status->imds_requests != 0) {
      retirement.checks.push_back(check_last_answer(*status.status));
    }
  } else {
    retirement.checks.push_back(check_tokens(config));
    retirement.checks.push_back(check_established(processes));
  }
  retirement.checks.push_back(check_discovery_file(config));

  if (callers) {
    retirement.endpoint = callers->verdict;
  } else {
    retirement.endpoint_unknown = callers.error().message();
  }
  if (Result<migration::Instance> instance = migration::ask_instance(config.imds); instance) {
    retirement.instance = std::move(*instance);
  } else {
    retirement.instance_unknown = instance.error().message();
  }
  return retirement;
}

std::string answer_of(const Retirement& retirement) {
  if (retirement.is_removed) {
    return retirement.is_good() ? "The extension is removed, and nothing broke."
                                : "The extension is removed, and something is wrong.";
  }
  return retirement.is_good() ? "The extension can be removed." : "The extension cannot be removed yet.";
}

void print_commands(const Retirement& retirement) {
  if (!retirement.instance) {
    fmt::print("\nThe commands for its removal need this machine's names, which IMDS did not give: {}\n",
               escape::control_characters(retirement.instance_unknown));
    return;
  }
  fmt::print(
      "\nRemoval is the point of no return: the extension is retired, and can no longer be installed "
      "everywhere.\n"
      "Until then, `systemctl stop msi2imds.socket msi2imds` gives the next connection to the extension "
      "again.\n"
      "Remove it from elsewhere, with one of:\n");
  for (const migration::RemovalCommand& command : migration::removal_commands(*retirement.instance)) {
    fmt::print("\n  {}\n", command.tool);
    for (const std::string& line : command.lines) {
      fmt::print("    {}\n", line);
    }
  }
  fmt::print("\nThe name is the documented one; this shows under which one it was deployed:\n    {}\n",
             migration::list_command(*retirement.instance));
  fmt::print("Then run msi2imds retire once more: it checks that nothing broke.\n");
}

void print_text(const Retirement& retirement) {
  fmt::print("{}\n", answer_of(retirement));
  for (const Check& check : retirement.checks) {
    fmt::print("  {:<4} {}\n", check.is_good ? "ok" : "NOT", escape::control_characters(check.text));
    if (!check.is_good) {
      fmt::print("       {}\n", check.advice);
    }
  }
  fmt::print("\nThe legacy endpoint itself: {}\n",
             escape::control_characters(retirement.endpoint ? retirement.endpoint->text
                                                            : "not known: " + retirement.endpoint_unknown));
  if (retirement.endpoint && retirement.endpoint->kind == usage::Verdict::Kind::can_be_retired) {
    fmt::print("  msi2imds is no longer needed here, and can be removed, too.\n");
  }
  if (!retirement.is_removed && retirement.is_good()) {
    print_commands(retirement);
  }
}

void print_json(const Retirement& retirement) {
  json::array checks;
  for (const Check& check : retirement.checks) {
    checks.push_back(
        {{"good", check.is_good}, {"text", check.text}, {"advice", check.is_good ? "" : check.advice}});
  }
  json::object commands;
  if (retirement.instance && !retirement.is_removed) {
    for (const migration::RemovalCommand& command : migration::removal_commands(*retirement.instance)) {
      commands[command.tool] = json::value_from(command.lines);
    }
  }
  json::object endpoint;
  if (retirement.endpoint) {
    endpoint = {{"kind", usage::to_string(retirement.endpoint->kind)}, {"text", retirement.endpoint->text}};
  } else {
    endpoint = {{"kind", "not_known"}, {"text", retirement.endpoint_unknown}};
  }
  const json::object document = {{"extension_removed", retirement.is_removed},
                                 {"can_be_removed", !retirement.is_removed && retirement.is_good()},
                                 {"good", retirement.is_good()},
                                 {"answer", answer_of(retirement)},
                                 {"checks", std::move(checks)},
                                 {"endpoint", std::move(endpoint)},
                                 {"commands", std::move(commands)}};
  print_document(json::serialize(document));
}

}  // namespace

int retire(const ConfigFile& file, const RetireOptions& options) {
  auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  if (::geteuid() != 0) {
    fmt::print(
        stderr,
        "msi2imds: cannot say whether to retire: retire needs root, to see whose connections are open\n");
    return kUnknown;
  }
  keep_secrets_out_of_core_dumps();
  (void)waagent::settle_ports(*config);
  const Retirement retirement = assess(*config);
  if (options.json) {
    print_json(retirement);
  } else {
    print_text(retirement);
  }
  return retirement.is_good() ? kGood : kFailed;
}

}  // namespace msi2imds::cli
