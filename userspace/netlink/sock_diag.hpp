// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

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

  // Two ends of a connection: the client's, and what it dialled.
  using Ends = std::pair<SocketAddress, SocketAddress>;

  // Asks for many at once, which takes one system call. find() then has the answers, where it is asked for
  // the same ones in the same order.
  void ask_ahead(std::span<const Ends> connections);

  // The socket that is bound to `client` and connected to `server`, which is what the client dialled.
  Result<ClientSocket> find(const SocketAddress& client, const SocketAddress& server);

 private:
  Result<ClientSocket> take_answer_or_ask(const Endpoint& client, const Endpoint& server);
  Result<ClientSocket> ask(const Endpoint& client, const Endpoint& server);
  Result<ClientSocket> receive_answer(const Question& question);

  UniqueFd socket_;
  std::uint32_t sequence_ = 0;
  std::vector<Question> ahead_;  // asked, those from next_ on without an answer so far
  std::size_t next_ = 0;
};

}  // namespace msi2imds::netlink
