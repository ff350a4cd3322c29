// SPDX-License-Identifier: MIT
#include "redirect/lost_servers.hpp"

#include <utility>

#include "netlink/tcp_sockets.hpp"

namespace msi2imds::redirect {

void LostServers::end_waiting(const std::vector<std::uint16_t>& ports, std::uint16_t listen_port) {
  if (looks_left_ == 0) {
    return;
  }
  --looks_left_;
  const auto waiting = netlink::connections_to_nobody(ports, listen_port);
  if (!waiting) {
    return;
  }
  std::set<std::uint64_t> seen;
  for (const netlink::TcpSocket& client : *waiting) {
    if (seen_.contains(client.socket.cookie)) {
      (void)netlink::abort_connection(client);
    } else {
      seen.insert(client.socket.cookie);
    }
  }
  seen_ = std::move(seen);
}

}  // namespace msi2imds::redirect
