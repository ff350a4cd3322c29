// SPDX-License-Identifier: MIT
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace msi2imds {

// An IPv4 or IPv6 address with a TCP port.
class SocketAddress {
 public:
  SocketAddress() = default;

  // `address` is a literal without brackets; names are not resolved.
  static Result<SocketAddress> parse(std::string_view address, std::uint16_t port);
  // The inverse of to_string().
  static Result<SocketAddress> parse(std::string_view address_and_port);
  // Of an address of another family, nothing but the family stays.
  static SocketAddress from_sockaddr(const sockaddr_storage& address, socklen_t size);
  // As the kernel's structures spell it: `address` has 4 bytes, or 16 for AF_INET6, and the port is in
  // network order.
  static SocketAddress from_network(int family, const void* address, std::uint16_t port);
  static Result<SocketAddress> local_of(int socket);
  static SocketAddress ipv4_loopback(std::uint16_t port);
  static SocketAddress ipv6_loopback(std::uint16_t port);

  [[nodiscard]] const sockaddr* get() const;
  [[nodiscard]] socklen_t size() const {
    return size_;
  }
  [[nodiscard]] int family() const {
    return storage_.any.sa_family;
  }
  [[nodiscard]] std::uint16_t port() const;

  // "127.0.0.1:342", "[::1]:342"
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const SocketAddress& a, const SocketAddress& b);

 private:
  // As the kernel has it. A sockaddr_storage would be four times as large, and each connection has several.
  union Storage {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };

  explicit SocketAddress(const sockaddr_in& address) : storage_{.v4 = address}, size_(sizeof address) {}
  explicit SocketAddress(const sockaddr_in6& address) : storage_{.v6 = address}, size_(sizeof address) {}

  Storage storage_{.v6 = {}};
  socklen_t size_ = 0;
};

}  // namespace msi2imds
