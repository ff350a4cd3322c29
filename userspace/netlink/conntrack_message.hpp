// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/socket_address.hpp"
#include "netlink/endpoint.hpp"

// Messages to and from the kernel's memory of connections.
namespace msi2imds::netlink {

// Lists the connections of one family.
[[nodiscard]] std::vector<std::byte> request_to_list(int family);

// Who sent the packets by whose addresses a connection is looked for.
enum class Side { client, server };

// Asks for the connection of which one side sends from `from` to `to`.
[[nodiscard]] std::vector<std::byte> request_to_find(Side side, const Endpoint& from, const Endpoint& to);

// Tells the kernel of a connection, if it does not know it.
[[nodiscard]] std::vector<std::byte> request_to_know(const Endpoint& client, const Endpoint& server);

// The request that makes the kernel forget the connection that a message of a listing, which must be aligned
// like a nlmsghdr, tells of; empty, if it is translated, or not on the loopback to or from one of the ports.
[[nodiscard]] std::vector<std::byte> request_to_forget(std::span<const std::byte> message,
                                                       const std::vector<std::uint16_t>& ports);

// Where packets go, as their sender has it.
struct Direction {
  SocketAddress from;
  SocketAddress to;
};

// A connection as both of its ends have it. They differ where the kernel translates it.
struct Tracked {
  Direction dialled;   // by the client
  Direction answered;  // by the server
};

// What a message, which must be aligned like a nlmsghdr, tells of a connection.
[[nodiscard]] std::optional<Tracked> read_tracked(std::span<const std::byte> message);

// A socket of a connection, and the request that makes the kernel forget the connection.
struct Forgettable {
  Direction socket;
  std::vector<std::byte> request;
};

// What a message of a listing tells of a connection as request_to_forget() knows it.
[[nodiscard]] std::optional<Forgettable> read_untranslated(std::span<const std::byte> message,
                                                           const std::vector<std::uint16_t>& ports);

// What it tells of a connection on the loopback that is made, and leads to the socket of a server on
// `listen_port` though something else was dialled.
[[nodiscard]] std::optional<Forgettable> read_translated(std::span<const std::byte> message,
                                                         std::uint16_t listen_port);

}  // namespace msi2imds::netlink
