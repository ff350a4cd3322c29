// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/error.hpp"
#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"
#include "netlink/client_socket.hpp"
#include "netlink/sock_diag_message.hpp"

namespace msi2imds::netlink {

// Asks the kernel for TCP sockets of this network namespace, one at a time, without ever waiting. Needs no
// privilege, and no system call but send and recvfrom.
class SockDiag {
 public:
  // A socket for exactly one SockDiag: two readers would take each other's answers. A kernel that has
  // sock_diag as a module loads it here.
  static Result<UniqueFd> open_socket();

  explicit SockDiag(UniqueFd socket);

  // The socket that is bound to `client` and connected to `server`, which is what the client dialled.
  Result<ClientSocket> find(const SocketAddress& client, const SocketAddress& server);

 private:
  Result<ClientSocket> ask(const Endpoint& client, const Endpoint& server);
  Result<ClientSocket> receive_answer(const Question& question);

  UniqueFd socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace msi2imds::netlink
