// SPDX-License-Identifier: MIT
#include "redirect/lost_servers.hpp"

#include <utility>

#include "netlink/conntrack.hpp"
#include "netlink/errors.hpp"
#include "netlink/sock_diag.hpp"
#include "netlink/tcp_sockets.hpp"

namespace msi2imds::redirect {
namespace {

constexpr std::chrono::milliseconds kBetweenSearches{900};

// The kernel may have given the client another address at his server (his port was in use there, or a rule of
// somebody else masquerades), and the server may be on a port that is not ours, or not ours any more.
bool has_server(const netlink::TcpSocket& client) {
  const auto end = netlink::servers_end(client.local, client.remote);
  Result<UniqueFd> socket = netlink::SockDiag::open_socket();
  if (!end || !socket) {
    return !socket;
  }
  const auto found = netlink::SockDiag(std::move(*socket)).find(end->local, end->remote);
  return found || (found.error().code() != netlink::Errc::no_such_socket &&
                   found.error().code() != netlink::Errc::other_socket);
}

}  // namespace

void LostServers::end_waiting(const std::vector<std::uint16_t>& ports, std::uint16_t listen_port) {
  const auto now = std::chrono::steady_clock::now();
  if (looks_left_ == 0 || now < next_) {
    return;
  }
  --looks_left_;
  next_ = now + kBetweenSearches;
  const auto waiting = netlink::connections_to_nobody(ports, listen_port);
  if (!waiting) {
    return;
  }
  std::set<std::uint64_t> seen;
  for (const netlink::TcpSocket& client : *waiting) {
    if (seen_.contains(client.socket.cookie) && !has_server(client)) {
      (void)netlink::abort_connection(client);
    } else {
      seen.insert(client.socket.cookie);
    }
  }
  seen_ = std::move(seen);
}

}  // namespace msi2imds::redirect
