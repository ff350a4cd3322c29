// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/asio.hpp"

namespace msi2imds::redirect {

// Which connections are redirected, and where to.
struct NatPorts {
  std::vector<std::uint16_t> legacy;
  std::uint16_t listen = 0;
};

// How many clients need NAT: those that are connected to the listen port, and those whose SYN to a legacy
// port was lost, which the kernel translates as it did the first time.
[[nodiscard]] std::size_t count_who_need_nat(const NatPorts& ports);

// How many TCP connections of this network namespace have their local end on `port`.
[[nodiscard]] std::size_t count_open_connections(std::uint16_t port);

// The same, in the text of /proc/net/tcp or /proc/net/tcp6.
[[nodiscard]] std::size_t count_open_connections(std::string_view table, std::uint16_t port);

// Returns once `count` is 0, or after `longest`.
[[nodiscard]] asio::awaitable<void> wait_for_none(std::function<std::size_t()> count,
                                                  std::chrono::milliseconds longest);

}  // namespace msi2imds::redirect
