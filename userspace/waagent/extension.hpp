// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "waagent/settings.hpp"

// What the Azure agent keeps on disk of the managed identity extension.
namespace msi2imds::waagent {

// The agent's handler states (its HandlerState files): installed is stopped, enabled runs.
enum class HandlerState { enabled, installed, not_installed, failed_upgrade, unknown };

[[nodiscard]] const char* to_string(HandlerState state);

struct Extension {
  std::string version;
  HandlerState state = HandlerState::unknown;
  std::optional<Settings> settings = std::nullopt;
  std::vector<std::string> problems = {};  // what could not be read or understood, and why

  // The agent has it, running or not.
  [[nodiscard]] bool is_installed() const {
    return state != HandlerState::not_installed;
  }
};

// The newest version of the extension that the agent has; where it has none, the newest under its directory,
// or nothing: during an update, and after one that failed, the older version runs while the newer one is not
// installed. Follows no links; a state that is missing means not installed, and one that cannot be understood
// is unknown. Fails when the directory is there and may not be read.
[[nodiscard]] Result<std::optional<Extension>> find_extension(const std::filesystem::path& root);

}  // namespace msi2imds::waagent
