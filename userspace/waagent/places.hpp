// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include "config/config.hpp"

namespace msi2imds::waagent {

// The paths of the Azure agent's and our own files; tests use others.
struct Places {
  std::filesystem::path root = "/var/lib/waagent";    // the agent's directory
  std::filesystem::path state = "/var/lib/msi2imds";  // our own, where we note what we found and made
  std::string proc = "/proc";
};

[[nodiscard]] inline Places places_of(const config::Config& config) {
  return {.root = config.waagent.root, .state = config.waagent.state_directory, .proc = "/proc"};
}

}  // namespace msi2imds::waagent
