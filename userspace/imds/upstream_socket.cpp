// SPDX-License-Identifier: MIT
#include "imds/upstream_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace msi2imds::imds {
namespace {

// The kernel looks after an idle connection every so often, and gives up one whose other end has not
// acknowledged anything for so long. Where it cannot, our own time-outs are all there is.
constexpr int kLookSeconds = 5;
constexpr int kDeadAfterMilliseconds = 10'000;

void set_option(const UniqueFd& fd, int level, int name, int value) {
  (void)::setsockopt(fd.get(), level, name, &value, sizeof value);
}

void find_out_its_death(const UniqueFd& fd) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kLookSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kLookSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 2);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kDeadAfterMilliseconds);
}

Result<UniqueFd> begin_marked_connect(const SocketAddress& address, std::uint32_t mark) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd) {
    return Error::from_errno(errno, "make a socket to IMDS");
  }
  if (mark != 0 && ::setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) {
    return Error::from_errno(errno, "mark a socket to IMDS");
  }
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  find_out_its_death(fd);
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
