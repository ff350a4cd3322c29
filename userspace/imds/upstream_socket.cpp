// SPDX-License-Identifier: MIT
#include "imds/upstream_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace msi2imds::imds {
namespace {

Result<UniqueFd> begin_marked_connect(const SocketAddress& address, std::uint32_t mark) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd) {
    return Error::from_errno(errno, "make a socket to IMDS");
  }
  if (mark != 0 && ::setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) {
    return Error::from_errno(errno, "mark a socket to IMDS");
  }
  const int on = 1;
  (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd.get(), address.get(), address.size()) != 0 && errno != EINPROGRESS) {
    return Error::from_errno(errno, "connect to IMDS at " + address.to_string());
  }
  return fd;
}

}  // namespace

Result<UniqueFd> begin_connect(const SocketAddress& address, std::uint32_t mark) {
  Result<UniqueFd> fd = begin_marked_connect(address, mark);
  if (!fd && mark == 0 && fd.error().code() == boost::system::errc::permission_denied) {
    Result<UniqueFd> marked = begin_marked_connect(address, kImdsdMark);
    return marked ? std::move(marked) : std::move(fd);
  }
  return fd;
}

}  // namespace msi2imds::imds
