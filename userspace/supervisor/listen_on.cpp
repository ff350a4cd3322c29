// SPDX-License-Identifier: MIT
#include "supervisor/listen_on.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace msi2imds::supervisor {
namespace {

// What waits in the socket of a connection counts as the service's memory, and the kernel takes twice as much
// as these. With smaller buffers a request of 64 KiB takes milliseconds. An answer still passes in one piece.
constexpr int kReceiveBuffer = 8192;
constexpr int kSendBuffer = 4096;

}  // namespace

void prepare_to_accept(int socket) {
  const int on = 1;
  (void)::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)::setsockopt(socket, IPPROTO_TCP, TCP_SAVE_SYN, &on, sizeof on);  // the responder knows callers by it
  (void)::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  (void)::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
}

Result<UniqueFd> listen_on(const SocketAddress& address) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  const int on = 1;
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      (address.family() == AF_INET6 &&
       ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
      ::bind(fd.get(), address.get(), address.size()) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    const int err = errno;
    return Error::from_errno(err, "listen on " + address.to_string());
  }
  prepare_to_accept(fd.get());
  return fd;
}

}  // namespace msi2imds::supervisor
