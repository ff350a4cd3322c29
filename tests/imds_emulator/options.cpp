// SPDX-License-Identifier: MIT
#include "imds_emulator/options.hpp"

#include <CLI/CLI.hpp>
#include <iostream>

#include "imds_emulator/server.hpp"

namespace msi2imds::emulator {
namespace {

constexpr int kUsageError = 2;

struct Flags {
  std::vector<std::string> listen;
  bool no_system_identity = false;
  std::int64_t lifetime = 86400;
  std::int64_t latency = 0;
  std::int64_t clock_skew = 0;
};

void declare(CLI::App& app, Flags& flags, Options& options) {
  app.add_option("--listen", flags.listen, "ADDRESS:PORT to serve on; may be repeated; port 0: any free one")
      ->required()
      ->type_name("ADDRESS:PORT")
      ->allow_extra_args(false);
  app.add_flag("--accept-any-identity", options.identities.accept_any,
               "Every well-formed selector names an identity");
  app.add_option("--identities", options.identities.user_assigned, "User-assigned identities")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  app.add_flag("--no-system-identity", flags.no_system_identity, "The VM has no system-assigned identity");
  app.add_option("--scale-set", options.scale_set, "The VM belongs to this scale set");
  app.add_option("--token-lifetime", flags.lifetime, "Seconds that a new token is valid")
      ->capture_default_str()
      ->check(CLI::Range(1, 10 * 365 * 86400));
  app.add_option("--token-size", options.tokens.size, "Pad tokens to that many bytes")
      ->check(CLI::Range(0, 16 * 1024 * 1024));
  app.add_flag("--fresh-tokens", options.tokens.fresh,
               "A new token for each request, instead of the platform's cache");
  app.add_option("--latency", flags.latency, "Milliseconds before each answer to a token request")
      ->check(CLI::Range(0, 600000));
  app.add_option("--clock-skew", flags.clock_skew,
                 "Seconds that IMDS's clock is ahead of this machine's; negative: behind")
      ->check(CLI::Range(-kMaxClockSkew, kMaxClockSkew));
}

}  // namespace

std::variant<CommandLine, int> parse_command_line(int argc, const char* const* argv) {
  CommandLine result;
  Flags flags;
  CLI::App app("Emulates the Instance Metadata Service for tests and benchmarks", "imds-emulator");
  declare(app, flags, result.options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }

  for (const std::string& text : flags.listen) {
    const auto endpoint = parse_endpoint(text);
    if (!endpoint) {
      std::cerr << "imds-emulator: " << endpoint.error().message() << '\n';
      return kUsageError;
    }
    result.listen.push_back(*endpoint);
  }
  result.options.identities.system_assigned = !flags.no_system_identity;
  result.options.tokens.lifetime = std::chrono::seconds(flags.lifetime);
  result.options.latency = std::chrono::milliseconds(flags.latency);
  result.options.clock_skew = std::chrono::seconds(flags.clock_skew);
  return result;
}

}  // namespace msi2imds::emulator
