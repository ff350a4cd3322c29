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

// The same, with those that are just being made or closed.
[[nodiscard]] Result<std::vector<TcpSocket>> open_sockets();

enum class Which {
  all,
  unanswered,  // on the loopback, and nobody has answered the SYN: it was lost, and will be sent again
};

// The clients' ends of the connections to these ports.
[[nodiscard]] Result<std::vector<TcpSocket>> connections_to(const std::vector<std::uint16_t>& ports,
                                                            Which which = Which::all);

// Those of all of them that go to the loopback, wait for their server, and have none: neither on the port
// that was dialled nor on `other_port`. The list is not made in one moment, so a connection that is just
// being made or ended may be in it once, but not twice.
[[nodiscard]] Result<std::vector<TcpSocket>> connections_to_nobody(const std::vector<std::uint16_t>& ports,
                                                                   std::uint16_t other_port);

// Ends a connection as its process would by aborting it: whoever reads from it gets an error. Needs
// CAP_NET_ADMIN, and a kernel that can (CONFIG_INET_DIAG_DESTROY); fails with ENOENT where it has ended
// already.
[[nodiscard]] Result<void> abort_connection(const TcpSocket& socket);

}  // namespace msi2imds::netlink
