// SPDX-License-Identifier: MIT
#include <cstdio>
#include <utility>

#include "accounts/getent.hpp"
#include "base/escape.hpp"
#include "base/run_to_end.hpp"
#include "cli/commands.hpp"
#include "config/closure.hpp"
#include "config/read.hpp"
#include "config/warnings.hpp"
#include "config/write.hpp"
#include "resolver/redact.hpp"
#include "supervisor/user.hpp"

namespace msi2imds::cli {

Result<config::Sourced> ConfigFile::read() const {
  return path ? config::load_sourced(*path, config::Missing::is_an_error)
              : config::load_sourced(config::kDefaultFile, config::Missing::is_fine);
}

std::size_t ConfigFile::fingerprint() const {
  return config::fingerprint(path.value_or(config::kDefaultFile));
}

Result<config::Sourced> ConfigFile::load_sourced() const {
  Result<config::Sourced> sourced = read();
  if (accounts::has_open_questions()) {
    run_to_end(accounts::ask_getent());
    sourced = read();
  }
  return sourced;
}

Result<config::Config> ConfigFile::load() const {
  accounts::put_up_with_lateness();  // a directory that hangs is to keep nobody from status or detach
  Result<config::Sourced> sourced = load_sourced();
  if (!sourced) {
    return sourced.error();
  }
  return std::move(sourced->config);
}

std::optional<config::Config> ConfigFile::load_or_complain() const {
  Result<config::Config> config = load();
  if (!config) {
    (void)std::fprintf(stderr, "%s\n", config.error().message().c_str());
    return std::nullopt;
  }
  return std::move(*config);
}

namespace {

void warn(const config::Warning& warning) {
  (void)std::fprintf(stderr, "warning: %s\n", config::to_string(warning).c_str());
}

// A text that may hold a secret is left out as a whole.
std::string redact_text(const std::string& text) {
  return resolver::redact({text}).front() == text ? text : std::string(resolver::kRedacted);
}

// What `run` refuses of a configuration that is right, since this machine does not have it.
Result<void> check_machine(const config::Sourced& sourced) {
  constexpr std::string_view kUser = "responder.user";
  const Result<supervisor::User> user = supervisor::find_user(sourced.config.responder.user);
  if (user) {
    return {};
  }
  const auto origin = sourced.origins.find(kUser);
  const std::string place =
      origin == sourced.origins.end() ? "the default" : config::to_string(origin->second);
  return Error({}, escape::control_characters(place + ": " + std::string(kUser) + ": cannot " +
                                              user.error().message()));
}

}  // namespace

int check_config(const ConfigFile& file, const CheckOptions& options) {
  const Result<config::Sourced> sourced = file.load_sourced();
  if (!sourced) {
    (void)std::fprintf(stderr, "%s\n", sourced.error().message().c_str());
    return kUsage;
  }
  const config::Config& config = sourced->config;
  for (const config::Warning& warning : config::warnings_of(config)) {
    warn(warning);
  }
  if (const auto around = config::way_around(config)) {
    warn(*around);
  }
  for (const std::string& note : config::notes_on_closure(config)) {
    (void)std::fprintf(stderr, "note: %s\n", note.c_str());
  }
  const std::string text = options.origin ? config::to_toml(*sourced, redact_text) : config::to_toml(config);
  (void)std::printf("%s", text.c_str());
  const Result<void> checked = check_machine(*sourced);
  if (!checked) {
    (void)std::fprintf(stderr, "%s\n", checked.error().message().c_str());
    return kUsage;
  }
  return kGood;
}

}  // namespace msi2imds::cli
