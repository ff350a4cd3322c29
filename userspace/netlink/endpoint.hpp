// SPDX-License-Identifier: MIT
#pragma once

#include <linux/types.h>
#include <sys/socket.h>

#include <array>
#include <compare>

#include "base/socket_address.hpp"

namespace msi2imds::netlink {

// One end of a TCP connection, spelled as in sock_diag's messages. There is one spelling for each address:
// ::ffff:127.0.0.1 is 127.0.0.1.
struct Endpoint {
  int family = AF_UNSPEC;
  std::array<__be32, 4> address{};  // IPv4 uses the first
  __be16 port = 0;

  // clang-tidy 14 sees the 0 in it with which the compiler compares.
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;  // NOLINT(modernize-use-nullptr)
};

// AF_UNSPEC stands for a family that is neither IPv4 nor IPv6.
Endpoint make_endpoint(int family, const std::array<__be32, 4>& address, __be16 port);
Endpoint to_endpoint(const SocketAddress& address);

bool is_loopback(const Endpoint& endpoint);

}  // namespace msi2imds::netlink
