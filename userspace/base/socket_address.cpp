// SPDX-License-Identifier: MIT
#include "base/socket_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"

namespace msi2imds {
Result<SocketAddress> SocketAddress::parse(std::string_view address, std::uint16_t port) {
  const std::string text(address);
  if (text.find('\0') != std::string::npos) {  // inet_pton would stop there
    return Error::from_errno(EINVAL, "read an address with a NUL in it");
  }
  in6_addr bytes{};
  for (const int family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, text.c_str(), &bytes) == 1) {
      return from_network(family, &bytes, htons(port));
    }
  }
  return Error::from_errno(EINVAL, "read address '" + text + "'");
}

Result<SocketAddress> SocketAddress::parse(std::string_view address_and_port) {
  const std::size_t colon = address_and_port.rfind(':');
  std::string_view host = address_and_port.substr(0, colon);
  const std::string_view digits = address_and_port.substr(std::min(colon, address_and_port.size() - 1) + 1);
  const auto port = parse_number<std::uint16_t>(digits);
  if (colon == std::string_view::npos || !port) {
    return Error::from_errno(EINVAL, "read '" + std::string(address_and_port) + "' as ADDRESS:PORT");
  }
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  return parse(host, *port);
}

SocketAddress SocketAddress::from_sockaddr(const sockaddr_storage& address, socklen_t size) {
  SocketAddress result;
  result.size_ = std::min<socklen_t>(size, sizeof result.storage_);
  std::memcpy(&result.storage_, &address, result.size_);
  return result;
}

SocketAddress SocketAddress::from_network(int family, const void* address, std::uint16_t port) {
  if (family == AF_INET6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = port;
    std::memcpy(&v6.sin6_addr, address, sizeof v6.sin6_addr);
    return SocketAddress(v6);
  }
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = port;
  std::memcpy(&v4.sin_addr, address, sizeof v4.sin_addr);
  return SocketAddress(v4);
}

Result<SocketAddress> SocketAddress::local_of(int socket) {
  SocketAddress result;
  socklen_t size = sizeof result.storage_;
  if (::getsockname(socket, &result.storage_.any, &size) != 0) {
    return Error::from_errno(errno, "get a socket's address");
  }
  result.size_ = std::min<socklen_t>(size, sizeof result.storage_);
  return result;
}

SocketAddress SocketAddress::ipv4_loopback(std::uint16_t port) {
  const in_addr loopback{htonl(INADDR_LOOPBACK)};
  return from_network(AF_INET, &loopback, htons(port));
}

SocketAddress SocketAddress::ipv6_loopback(std::uint16_t port) {
  return from_network(AF_INET6, &in6addr_loopback, htons(port));
}

const sockaddr* SocketAddress::get() const {
  return &storage_.any;
}

std::uint16_t SocketAddress::port() const {
  return ntohs(family() == AF_INET6 ? storage_.v6.sin6_port : storage_.v4.sin_port);
}

std::string SocketAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET6) {
    (void)::inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text.data(), text.size());
    return "[" + std::string(text.data()) + "]:" + std::to_string(port());
  }
  if (family() == AF_INET) {
    (void)::inet_ntop(AF_INET, &storage_.v4.sin_addr, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(port());
  }
  return "(no internet address)";
}

bool operator==(const SocketAddress& a, const SocketAddress& b) {
  if (a.family() != b.family() || a.port() != b.port()) {
    return false;
  }
  if (a.family() == AF_INET6) {
    return std::memcmp(&a.storage_.v6.sin6_addr, &b.storage_.v6.sin6_addr, sizeof(in6_addr)) == 0;
  }
  return a.storage_.v4.sin_addr.s_addr == b.storage_.v4.sin_addr.s_addr;
}

}  // namespace msi2imds
