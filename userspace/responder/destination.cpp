// SPDX-License-Identifier: MIT
#include "responder/destination.hpp"

#include <algorithm>

#include "netlink/original_destination.hpp"

namespace msi2imds::responder {

Destination destination_of(int socket, const std::vector<std::uint16_t>& legacy_ports) {
  const Result<SocketAddress> local = SocketAddress::local_of(socket);
  if (!local) {
    return {};
  }
  if (std::find(legacy_ports.begin(), legacy_ports.end(), local->port()) != legacy_ports.end()) {
    return {.dialled = *local, .of_client_socket = *local};
  }
  if (const Result<SocketAddress> original = netlink::original_destination(socket)) {
    return {.dialled = *original, .of_client_socket = *original, .translated_to = *local};
  }
  return {.dialled = std::nullopt, .of_client_socket = *local};
}

}  // namespace msi2imds::responder
