// SPDX-License-Identifier: MIT
#include "netlink/endpoint.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace msi2imds::netlink {
namespace {

bool is_mapped_ipv4(const std::array<__be32, 4>& address) {
  return address[0] == 0 && address[1] == 0 && address[2] == htonl(0xffff);
}

}  // namespace

Endpoint make_endpoint(int family, const std::array<__be32, 4>& address, __be16 port) {
  if (family == AF_INET) {
    // Kernels do not always clear the words that IPv4 leaves unused.
    return {.family = AF_INET, .address = {address[0], 0, 0, 0}, .port = port};
  }
  if (family != AF_INET6) {
    return {};
  }
  if (is_mapped_ipv4(address)) {
    return {.family = AF_INET, .address = {address[3], 0, 0, 0}, .port = port};
  }
  return {.family = AF_INET6, .address = address, .port = port};
}

Endpoint to_endpoint(const SocketAddress& address) {
  std::array<__be32, 4> words{};
  if (address.family() == AF_INET6) {
    const auto& ipv6 = *reinterpret_cast<const sockaddr_in6*>(address.get());
    std::memcpy(words.data(), &ipv6.sin6_addr, sizeof ipv6.sin6_addr);
    return make_endpoint(AF_INET6, words, ipv6.sin6_port);
  }
  if (address.family() == AF_INET) {
    const auto& ipv4 = *reinterpret_cast<const sockaddr_in*>(address.get());
    words[0] = ipv4.sin_addr.s_addr;
    return make_endpoint(AF_INET, words, ipv4.sin_port);
  }
  return {};
}

bool is_loopback(const Endpoint& endpoint) {
  constexpr std::array<std::uint8_t, 16> kIpv6Loopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), endpoint.address.data(), bytes.size());
  return endpoint.family == AF_INET ? bytes[0] == 127 : bytes == kIpv6Loopback;
}

}  // namespace msi2imds::netlink
