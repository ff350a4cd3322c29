// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace msi2imds::redirect {

// How many TCP connections of this network namespace have their local end on `port`.
[[nodiscard]] std::size_t count_open_connections(std::uint16_t port);

// The same, in the text of /proc/net/tcp or /proc/net/tcp6.
[[nodiscard]] std::size_t count_open_connections(std::string_view table, std::uint16_t port);

}  // namespace msi2imds::redirect
