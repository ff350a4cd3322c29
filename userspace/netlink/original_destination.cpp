// SPDX-License-Identifier: MIT
#include "netlink/original_destination.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

// The kernel's headers define only what the C library's before them have not.
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

namespace msi2imds::netlink {

static_assert(IP6T_SO_ORIGINAL_DST == SO_ORIGINAL_DST);

Result<SocketAddress> original_destination(int socket) {
  const char* const context = "ask for the original destination";
  const Result<SocketAddress> local = SocketAddress::local_of(socket);
  if (!local) {
    return local.error();
  }
  const int level = local->family() == AF_INET6 ? SOL_IPV6 : SOL_IP;
  sockaddr_storage storage{};
  socklen_t size = local->size();
  if (::getsockopt(socket, level, SO_ORIGINAL_DST, &storage, &size) != 0) {
    // ENOPROTOOPT: the kernel does not even track connections.
    return Error::from_errno(errno == ENOPROTOOPT ? ENOENT : errno, context);
  }
  const auto original = SocketAddress::from_sockaddr(storage, size);
  if (original == *local) {  // tracked, and not translated
    return Error::from_errno(ENOENT, context);
  }
  return original;
}

// The kernel looks for a connection by both ends of the socket, and knows it only if it tracks it.
std::optional<bool> is_tracked(int socket) {
  const Result<SocketAddress> local = SocketAddress::local_of(socket);
  if (!local) {
    return std::nullopt;
  }
  sockaddr_storage storage{};
  socklen_t size = local->size();
  const int level = local->family() == AF_INET6 ? SOL_IPV6 : SOL_IP;
  if (::getsockopt(socket, level, SO_ORIGINAL_DST, &storage, &size) == 0) {
    return true;
  }
  return errno == ENOENT ? std::optional(false) : std::nullopt;
}

}  // namespace msi2imds::netlink
