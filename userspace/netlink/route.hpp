// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "base/socket_address.hpp"

namespace msi2imds::netlink {

enum class RouteKind : std::uint8_t {
  unicast,      // over a device
  local,        // to an address of this network namespace
  prohibited,   // "prohibit": connect() fails with EACCES
  unreachable,  // "unreachable", or there is no route
  discarded,    // "blackhole": connect() fails with EINVAL
  other,        // broadcast and so on
};

struct Route {
  RouteKind kind = RouteKind::other;
  std::string device;   // empty: none
  std::string gateway;  // empty: the address is a neighbour
};

// Which way a TCP connection to this address and port would take from this network namespace, with SO_MARK
// `mark` (0: without).
[[nodiscard]] Result<Route> find_route(const SocketAddress& to, std::uint32_t mark);

}  // namespace msi2imds::netlink
