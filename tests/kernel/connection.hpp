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

// Does not wait for an answer.
[[nodiscard]] UniqueFd begin_to_dial(const std::string& address, std::uint16_t port);

// How that ended, as errno; ETIMEDOUT while it goes on for longer than a lost SYN takes.
[[nodiscard]] int outcome_of(const UniqueFd& client);

inline constexpr int kListenBacklog = 16;

// With a backlog of 0 there is room for one connection: SYNs of others are lost until it is accepted.
[[nodiscard]] UniqueFd listen_on(const std::string& address, std::uint16_t port,
                                 int backlog = kListenBacklog);

// The connection that waits in a backlog or is about to, if there is one.
[[nodiscard]] UniqueFd accept_from(int listener);
[[nodiscard]] UniqueFd accept_from(const std::vector<int>& listeners);

[[nodiscard]] std::string peer_of(const UniqueFd& socket);

// Whether bytes go both ways.
[[nodiscard]] bool is_alive(const UniqueFd& client, const UniqueFd& server);

}  // namespace msi2imds::kernel
