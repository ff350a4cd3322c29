// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/socket_address.hpp"
#include "caller/clues.hpp"
#include "netlink/sock_diag.hpp"

// Who is at the other end of a connection.
namespace msi2imds::caller {

// The owner of a client's socket. Without a uid nothing but the cookie may be known, and `unknown_because`
// says why.
struct Caller {
  Clues clues;
  std::string unknown_because;
};

[[nodiscard]] Clues clues_of(const netlink::ClientSocket& socket);

// Whether one process has dialled both, and has changed nothing since of what is known of it. Not where the
// later connection is to be looked at for itself.
[[nodiscard]] bool are_of_one_caller(const Clues& earlier, const Clues& later);

// `client` is the peer's address as accept gave it, `dialled` the destination as the client sees it. Ask
// before closing or shutting down the connection.
Caller identify(netlink::SockDiag& sock_diag, const SocketAddress& client, const SocketAddress& dialled);

}  // namespace msi2imds::caller
