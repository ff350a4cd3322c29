// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "config/config.hpp"

namespace msi2imds::config {

// Whether connecting to it reaches this host's loopback: 127/8, ::1, their v4-mapped forms, 0.0.0.0 and ::.
[[nodiscard]] bool is_loopback(const Endpoint& endpoint);

// Takes http://ADDRESS[:PORT][/] with a literal address only, so that no name service stands between us and
// IMDS. The Error says what is wrong with the text, without naming it.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace msi2imds::config
