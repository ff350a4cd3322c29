// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace msi2imds::legacy {

// Whether a Host header's value (or the authority of an absolute target) names the loopback or one of
// `extra_hosts`, with or without a port. A web page whose name was rebound to 127.0.0.1 sends its own name,
// and is told apart so.
[[nodiscard]] bool is_allowed_host(std::string_view authority, const std::vector<std::string>& extra_hosts);

}  // namespace msi2imds::legacy
