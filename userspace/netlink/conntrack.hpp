// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "base/socket_address.hpp"

// The kernel's memory of connections, which NAT rules make it keep.
namespace msi2imds::netlink {

// Makes the kernel forget connections on the loopback to or from these ports that it tracks without
// translating them: it would not look at NAT rules when a client's port is used again. Those that are alive
// go on, and may be tracked anew. Returns how many there were. Needs CAP_NET_ADMIN.
[[nodiscard]] Result<std::size_t> forget_untranslated(const std::vector<std::uint16_t>& ports);

// Makes the kernel forget connections on the loopback that it has translated to this port, and whose server's
// end is gone. It would go on translating packets of whoever uses the client's port again, and give that port
// to nobody who dials this one itself. Returns how many there were. Needs CAP_NET_ADMIN.
[[nodiscard]] Result<std::size_t> forget_ended(std::uint16_t listen_port);

// Tells the kernel of connections on the loopback to that port, as their clients' ends are now, so that it
// gives their addresses to no connection that it translates to that port. Returns how many it did not know.
// Needs CAP_NET_ADMIN.
[[nodiscard]] Result<std::size_t> make_known(std::uint16_t port);

// A connection as its server's socket has it.
struct ServersEnd {
  SocketAddress local;
  SocketAddress remote;
};

// Where the connection that a client has dialled so has led, and as whom its server sees the client: the
// kernel may have translated either. Nothing where the kernel does not track it.
[[nodiscard]] std::optional<ServersEnd> servers_end(const SocketAddress& client,
                                                    const SocketAddress& dialled);

// The request that makes the kernel forget the connection that a message of a listing, which must be aligned
// like a nlmsghdr, tells of; empty, if that is none of these.
[[nodiscard]] std::vector<std::byte> request_to_forget(std::span<const std::byte> message,
                                                       const std::vector<std::uint16_t>& ports);

}  // namespace msi2imds::netlink
