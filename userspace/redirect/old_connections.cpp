// SPDX-License-Identifier: MIT
#include "redirect/old_connections.hpp"

#include <algorithm>

#include "netlink/conntrack.hpp"
#include "netlink/endpoint.hpp"
#include "netlink/tcp_sockets.hpp"

namespace msi2imds::redirect {
namespace {

constexpr int kLooksAfterTheLast = 3;  // its last packets may come later
constexpr std::chrono::minutes kLongestWait{10};
constexpr std::chrono::milliseconds kBetweenVisits{900};
// How long to rest after a look, as a multiple of its time: with a million connections a look takes a second,
// in which nothing else is done.
constexpr int kRest = 20;

// Of a connection that is translated, the server's end is on another port.
bool are_some_not_translated(const std::vector<std::uint16_t>& legacy_ports) {
  const auto sockets = netlink::connected_sockets();
  return sockets && std::ranges::any_of(*sockets, [&legacy_ports](const netlink::TcpSocket& socket) {
           return netlink::is_loopback(netlink::to_endpoint(socket.remote)) &&
                  std::ranges::find(legacy_ports, socket.local.port()) != legacy_ports.end();
         });
}

}  // namespace

void OldConnections::expect() {
  looks_left_ = kLooksAfterTheLast;
  next_ = rest_;
  end_ = std::chrono::steady_clock::now() + kLongestWait;
}

// Those that lead to the listen port itself stay known: they keep the kernel from giving their clients' ports
// to translated ones.
void OldConnections::forget(const std::vector<std::uint16_t>& legacy_ports) {
  const auto began = std::chrono::steady_clock::now();
  if (looks_left_ == 0 || began < next_) {
    return;
  }
  (void)netlink::forget_untranslated(legacy_ports);
  const auto ended = std::chrono::steady_clock::now();
  rest_ = ended + kRest * (ended - began);
  next_ = std::max(rest_, ended + kBetweenVisits);
  const bool goes_on = are_some_not_translated(legacy_ports) && ended < end_;
  looks_left_ = goes_on ? kLooksAfterTheLast : looks_left_ - 1;
}

}  // namespace msi2imds::redirect
