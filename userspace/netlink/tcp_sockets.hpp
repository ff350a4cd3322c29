// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.hpp"
#include "base/socket_address.hpp"
#include "netlink/client_socket.hpp"

// The TCP sockets of this network namespace. Each call makes the kernel list all of them, so it is too slow
// to be made for every request.
namespace msi2imds::netlink {

struct TcpSocket {
  SocketAddress local;
  SocketAddress remote;  // of one that listens: port 0
  ClientSocket socket;
};

[[nodiscard]] Result<std::vector<TcpSocket>> listening_sockets();

// Both ends of what is inside this namespace; those that only wait to be forgotten (TIME_WAIT) are left out.
[[nodiscard]] Result<std::vector<TcpSocket>> connected_sockets();

// The clients' ends of the connections to these ports.
[[nodiscard]] Result<std::vector<TcpSocket>> connections_to(const std::vector<std::uint16_t>& ports);

}  // namespace msi2imds::netlink
