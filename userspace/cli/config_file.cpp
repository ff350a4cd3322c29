// SPDX-License-Identifier: MIT
#include <cstdio>

#include "cli/commands.hpp"
#include "config/closure.hpp"
#include "config/read.hpp"
#include "config/warnings.hpp"
#include "config/write.hpp"
#include "supervisor/user.hpp"

namespace msi2imds::cli {

Result<config::Config> ConfigFile::load() const {
  return path ? config::load(*path) : config::load_if_present(config::kDefaultFile);
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

}  // namespace

int check_config(const ConfigFile& file) {
  const auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  for (const config::Warning& warning : config::warnings_of(*config)) {
    warn(warning);
  }
  if (const auto around = config::way_around(*config)) {
    warn(*around);
  }
  for (const std::string& note : config::notes_on_closure(*config)) {
    (void)std::fprintf(stderr, "note: %s\n", note.c_str());
  }
  (void)std::printf("%s", config::to_toml(*config).c_str());
  // What `run` refuses of a configuration that is right, since this machine does not have it.
  const Result<supervisor::User> user = supervisor::find_user(config->responder.user);
  if (!user) {
    (void)std::fprintf(stderr, "msi2imds: cannot %s\n", user.error().message().c_str());
    return kUsage;
  }
  return kGood;
}

}  // namespace msi2imds::cli
