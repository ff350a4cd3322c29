// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "config/config.hpp"

namespace msi2imds::config {

// Every key with its value, as TOML from which `parse` makes an equal Config.
[[nodiscard]] std::string to_toml(const Config& config);

}  // namespace msi2imds::config
