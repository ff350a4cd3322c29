// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/socket_address.hpp"

namespace msi2imds::responder {

// Where an accepted connection was going.
struct Destination {
  // What the client dialled; none where its connect() was rewritten, which only the redirection knows.
  std::optional<SocketAddress> dialled;
  // By which destination the kernel knows the client's socket.
  SocketAddress of_client_socket;
  // NAT led the client to this address of ours, and may have changed the client's own, too.
  std::optional<SocketAddress> translated_to = std::nullopt;
  // Of the client's SYN, where that was asked for and is known.
  std::optional<std::uint32_t> first_sequence = std::nullopt;
};

// `takes_syn`: asks for the SYN as well, at no further price.
[[nodiscard]] Destination destination_of(int socket, const std::vector<std::uint16_t>& legacy_ports,
                                         bool takes_syn);

// The same in a container's network, where nobody leads connections elsewhere but the container itself.
[[nodiscard]] Destination destination_in_network(int socket);

}  // namespace msi2imds::responder
