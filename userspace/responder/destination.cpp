// SPDX-License-Identifier: MIT
#include "responder/destination.hpp"

#include <algorithm>

#include "netlink/original_destination.hpp"
#include "netlink/syn.hpp"

namespace msi2imds::responder {

Destination destination_of(int socket, const std::vector<std::uint16_t>& legacy_ports, bool takes_syn) {
  const std::optional<netlink::Syn> syn = takes_syn ? netlink::take_syn(socket) : std::nullopt;
  const Result<SocketAddress> local = syn ? syn->destination : SocketAddress::local_of(socket);
  if (!local) {
    return {};
  }
  const std::optional<std::uint32_t> first_sequence = syn ? std::optional(syn->first_sequence) : std::nullopt;
  if (std::find(legacy_ports.begin(), legacy_ports.end(), local->port()) != legacy_ports.end()) {
    return {.dialled = *local, .of_client_socket = *local, .first_sequence = first_sequence};
  }
  if (const Result<SocketAddress> original = netlink::original_destination(socket)) {
    return {.dialled = *original, .of_client_socket = *original, .translated_to = *local};
  }
  return {.dialled = std::nullopt, .of_client_socket = *local, .first_sequence = first_sequence};
}

Destination destination_in_network(int socket) {
  const Result<SocketAddress> local = SocketAddress::local_of(socket);
  return local ? Destination{.dialled = *local, .of_client_socket = *local} : Destination();
}

}  // namespace msi2imds::responder
