// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/command.hpp"

namespace msi2imds::redirect {

// Where the firewall has rules of ours that redirect, for people: "nftables, table ip msi2imds"; empty:
// nowhere, or they may not be read. Waits for the host's tools.
[[nodiscard]] std::string where_ours_are_loaded(CommandRunner& runner, const std::string& proc = "/proc");

}  // namespace msi2imds::redirect
