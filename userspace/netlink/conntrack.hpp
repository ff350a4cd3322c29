// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "base/socket_address.hpp"
#include "netlink/endpoint.hpp"

// The kernel's memory of connections, which NAT rules make it keep.
namespace msi2imds::netlink {

// Makes the kernel forget connections on the loopback to or from these ports that it has tracked without
// translating them, and that are over: where it has not understood their end, it would not look at NAT rules
// when a client's port is used again. Returns how many there were. Needs CAP_NET_ADMIN.
[[nodiscard]] Result<std::size_t> forget_untranslated(const std::vector<std::uint16_t>& ports);

// Makes the kernel forget connections on the loopback that it has translated to this port, and whose server's
// end is gone. It would go on translating packets of whoever uses the client's port again, and give that port
// to nobody who dials this one itself. Returns how many there were. Needs CAP_NET_ADMIN.
[[nodiscard]] Result<std::size_t> forget_ended(std::uint16_t listen_port);

// Tells the kernel of connections on the loopback to these ports, as their clients' ends are now, so that it
// understands their end, and gives their addresses to no connection that it translates to one of the ports.
// Clients that nobody has answered are left out: their next SYN is to be translated. Returns how many the
// kernel did not know. Needs CAP_NET_ADMIN.
[[nodiscard]] Result<std::size_t> make_known(const std::vector<std::uint16_t>& ports);

// A connection as its server's socket has it.
struct ServersEnd {
  SocketAddress local;
  SocketAddress remote;
};

// Where the connection that a client has dialled so has led, and as whom its server sees the client: the
// kernel may have translated either. Nothing where the kernel does not track it.
[[nodiscard]] std::optional<ServersEnd> servers_end(const SocketAddress& client,
                                                    const SocketAddress& dialled);

// A connection as its client's socket has it.
struct ClientsEnd {
  SocketAddress local;
  SocketAddress dialled;
};

// The other way round: whose connection it is that its server's socket has so. The kernel may have given the
// client another port, and somebody else's socket may have that one. Nothing where the kernel does not track
// it. Needs CAP_NET_ADMIN.
[[nodiscard]] std::optional<ClientsEnd> clients_end(const Endpoint& server, const Endpoint& client);

}  // namespace msi2imds::netlink
