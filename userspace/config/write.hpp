// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "config/config.hpp"
#include "config/sourced.hpp"

namespace msi2imds::config {

// Every key with its value, as TOML from which `parse` makes an equal Config.
[[nodiscard]] std::string to_toml(const Config& config);

// The same with one dotted key a line, and behind each value where it comes from: "# default" or
// "# FILE:LINE". Texts pass through `redact`, save hashes, and ids of containers and identities.
[[nodiscard]] std::string to_toml(const Sourced& sourced, std::string (*redact)(const std::string& text));

}  // namespace msi2imds::config
