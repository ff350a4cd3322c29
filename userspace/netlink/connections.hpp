// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.hpp"
#include "base/socket_address.hpp"
#include "netlink/client_socket.hpp"

namespace msi2imds::netlink {

// A client's end of a TCP connection.
struct Connection {
  SocketAddress client;
  SocketAddress server;
  ClientSocket socket;
};

// The clients' ends of all connections of this network namespace to these ports. Asks the kernel for all its
// sockets: not for every day.
[[nodiscard]] Result<std::vector<Connection>> connections_to(const std::vector<std::uint16_t>& ports);

}  // namespace msi2imds::netlink
