// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/socket_address.hpp"
#include "netlink/sock_diag.hpp"

// Who is at the other end of a connection.
namespace msi2imds::caller {

// The owner of a client's socket. Without a uid nothing but the cookie may be known, and `unknown_because`
// says why.
struct Caller {
  std::optional<uid_t> uid;
  ino_t inode = 0;
  std::uint64_t cookie = 0;  // the one that BPF programs see
  std::optional<std::uint64_t> cgroup_id;
  std::string unknown_because;
};

// `client` is the peer's address as accept gave it, `dialled` the destination as the client sees it. Ask
// before closing or shutting down the connection.
Caller identify(netlink::SockDiag& sock_diag, const SocketAddress& client, const SocketAddress& dialled);

}  // namespace msi2imds::caller
