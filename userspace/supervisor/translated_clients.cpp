// SPDX-License-Identifier: MIT
#include "supervisor/translated_clients.hpp"

#include <utility>

#include "caller/caller.hpp"
#include "netlink/conntrack.hpp"
#include "netlink/sock_diag.hpp"

namespace msi2imds::supervisor {

bool find_translated_client(caller::Clues& clues) {
  if (!clues.was_translated()) {
    return true;
  }
  const netlink::Endpoint server_end = std::exchange(clues.server_end, {});
  const netlink::Endpoint client_end = std::exchange(clues.client_end, {});
  const auto client = netlink::clients_end(server_end, client_end);
  if (client && netlink::to_endpoint(client->local) == client_end && !clues.are_none()) {
    return true;
  }
  caller::Clues found;
  Result<UniqueFd> socket = netlink::SockDiag::open_socket();
  if (client && socket) {
    netlink::SockDiag sock_diag(std::move(*socket));
    found = caller::identify(sock_diag, client->local, client->dialled).clues;
  }
  found.is_fresh = clues.is_fresh;
  found.wants_sha256 = clues.wants_sha256;
  const bool are_same = found.cookie == clues.cookie;
  clues = found;
  return are_same;
}

}  // namespace msi2imds::supervisor
