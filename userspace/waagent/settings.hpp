// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::waagent {

// What the extension was told (its config/N.settings).
struct Settings {
  std::string file;                   // "0.settings"
  std::optional<std::uint16_t> port;  // a number or a string in the file
  bool is_protected = false;          // then the extension may not have heeded its port
};

// A port as a JSON document may spell it, 50342 or "50342"; nothing if it is none.
[[nodiscard]] std::optional<std::uint16_t> parse_port(const std::string& text);

// Those of the file that was modified last, which is the active one; nothing where there is none. An empty
// file has no port.
[[nodiscard]] Result<std::optional<Settings>> read_settings(const UniqueFd& config);

}  // namespace msi2imds::waagent
