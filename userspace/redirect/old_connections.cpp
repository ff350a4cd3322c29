// SPDX-License-Identifier: MIT
#include "redirect/old_connections.hpp"

#include <algorithm>

#include "netlink/conntrack.hpp"
#include "netlink/tcp_sockets.hpp"

namespace msi2imds::redirect {
namespace {

constexpr int kLooksAfterTheLast = 3;  // its last packets may come later
constexpr std::chrono::minutes kLongestWait{10};

// Of a connection that is translated, the client has dialled a legacy port, and the server is on another one.
bool are_some_not_translated(const std::vector<std::uint16_t>& legacy_ports, std::uint16_t listen_port) {
  const auto sockets = netlink::connected_sockets();
  return sockets && std::ranges::any_of(*sockets, [&](const netlink::TcpSocket& socket) {
           return socket.remote.port() == listen_port ||
                  std::ranges::find(legacy_ports, socket.local.port()) != legacy_ports.end();
         });
}

}  // namespace

void OldConnections::expect() {
  looks_left_ = kLooksAfterTheLast;
  end_ = std::chrono::steady_clock::now() + kLongestWait;
}

void OldConnections::forget(const std::vector<std::uint16_t>& legacy_ports, std::uint16_t listen_port) {
  if (looks_left_ == 0) {
    return;
  }
  std::vector<std::uint16_t> ports = legacy_ports;
  ports.push_back(listen_port);
  (void)netlink::forget_untranslated(ports);
  const bool goes_on =
      are_some_not_translated(legacy_ports, listen_port) && std::chrono::steady_clock::now() < end_;
  looks_left_ = goes_on ? kLooksAfterTheLast : looks_left_ - 1;
}

}  // namespace msi2imds::redirect
