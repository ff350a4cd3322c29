// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>

#include <string_view>

namespace msi2imds::redirect {

// IPv4 and IPv6 have NAT tables of their own, and a host may have one without the other.
struct NatFamily {
  int domain;
  std::string_view name;
  std::string_view nft_name;
  std::string_view loopback;  // whose connections are ours
  std::string_view nowhere;   // an address to which no TCP connection is made
};

inline constexpr NatFamily kIpv4 = {.domain = AF_INET,
                                    .name = "IPv4",
                                    .nft_name = "ip",
                                    .loopback = "127.0.0.0/8",
                                    .nowhere = "255.255.255.255"};
inline constexpr NatFamily kIpv6 = {
    .domain = AF_INET6, .name = "IPv6", .nft_name = "ip6", .loopback = "::1", .nowhere = "ff02::1"};

}  // namespace msi2imds::redirect
