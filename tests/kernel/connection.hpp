// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::kernel {

// A client's attempt to connect.
struct Dialled {
  UniqueFd socket;
  int error = 0;  // errno, 0 once connected
};

[[nodiscard]] Dialled dial(const std::string& address, std::uint16_t port);

[[nodiscard]] UniqueFd listen_on(const std::string& address, std::uint16_t port);

// The connection that waits in a backlog or is about to, if there is one.
[[nodiscard]] UniqueFd accept_from(int listener);
[[nodiscard]] UniqueFd accept_from(const std::vector<int>& listeners);

[[nodiscard]] std::string peer_of(const UniqueFd& socket);

// Whether bytes go both ways.
[[nodiscard]] bool is_alive(const UniqueFd& client, const UniqueFd& server);

}  // namespace msi2imds::kernel
