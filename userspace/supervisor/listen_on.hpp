// SPDX-License-Identifier: MIT
#pragma once

#include "base/error.hpp"
#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::supervisor {

// Callers of a machine that boots come all at once, and a full backlog costs them a second each.
inline constexpr int kBacklog = 4096;

// What accepted sockets inherit.
void prepare_to_accept(int socket);

// A socket that listens there, in the network namespace of the calling thread.
[[nodiscard]] Result<UniqueFd> listen_on(const SocketAddress& address);

}  // namespace msi2imds::supervisor
