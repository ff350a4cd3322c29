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
namespace {

// The views into the storage that the socket interface was designed around.
const sockaddr_in& ipv4(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in&>(storage);
}

const sockaddr_in6& ipv6(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in6&>(storage);
}

}  // namespace

Result<SocketAddress> SocketAddress::parse(std::string_view address, std::uint16_t port) {
  const std::string text(address);
  if (text.find('\0') != std::string::npos) {  // inet_pton would stop there
    return Error::from_errno(EINVAL, "read an address with a NUL in it");
  }
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return from_sockaddr(storage, sizeof(sockaddr_in));
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  if (::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return from_sockaddr(storage, sizeof(sockaddr_in6));
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
  result.storage_ = address;
  result.size_ = size;
  return result;
}

SocketAddress SocketAddress::from_network(int family, const void* address, std::uint16_t port) {
  sockaddr_storage storage{};
  if (family == AF_INET6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = port;
    std::memcpy(&v6.sin6_addr, address, sizeof v6.sin6_addr);
    return from_sockaddr(storage, sizeof v6);
  }
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  v4.sin_family = AF_INET;
  v4.sin_port = port;
  std::memcpy(&v4.sin_addr, address, sizeof v4.sin_addr);
  return from_sockaddr(storage, sizeof v4);
}

Result<SocketAddress> SocketAddress::local_of(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return Error::from_errno(errno, "get a socket's address");
  }
  return from_sockaddr(storage, size);
}

SocketAddress SocketAddress::ipv4_loopback(std::uint16_t port) {
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return from_sockaddr(storage, sizeof(sockaddr_in));
}

SocketAddress SocketAddress::ipv6_loopback(std::uint16_t port) {
  sockaddr_storage storage{};
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v6.sin6_addr = in6addr_loopback;
  return from_sockaddr(storage, sizeof(sockaddr_in6));
}

const sockaddr* SocketAddress::get() const {
  return reinterpret_cast<const sockaddr*>(&storage_);
}

std::uint16_t SocketAddress::port() const {
  return ntohs(family() == AF_INET6 ? ipv6(storage_).sin6_port : ipv4(storage_).sin_port);
}

std::string SocketAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET6) {
    (void)::inet_ntop(AF_INET6, &ipv6(storage_).sin6_addr, text.data(), text.size());
    return "[" + std::string(text.data()) + "]:" + std::to_string(port());
  }
  if (family() == AF_INET) {
    (void)::inet_ntop(AF_INET, &ipv4(storage_).sin_addr, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(port());
  }
  return "(no internet address)";
}

bool operator==(const SocketAddress& a, const SocketAddress& b) {
  if (a.family() != b.family() || a.port() != b.port()) {
    return false;
  }
  if (a.family() == AF_INET6) {
    return std::memcmp(&ipv6(a.storage_).sin6_addr, &ipv6(b.storage_).sin6_addr, sizeof(in6_addr)) == 0;
  }
  return ipv4(a.storage_).sin_addr.s_addr == ipv4(b.storage_).sin_addr.s_addr;
}

}  // namespace msi2imds
