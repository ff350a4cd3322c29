// SPDX-License-Identifier: MIT
#include "responder/accept.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <system_error>

namespace msi2imds::responder {
namespace {

// The connection died before we saw it; the listener is as good as before (accept(2)).
bool concerns_only_the_connection(int err) {
  return err == ECONNABORTED || err == EINTR || err == EPROTO || err == ENETDOWN || err == EHOSTUNREACH ||
         err == ENETUNREACH;
}

// It is no listening socket, or none any more.
bool is_final(int err) {
  return err == EBADF || err == EINVAL || err == ENOTSOCK || err == EOPNOTSUPP || err == EFAULT;
}

}  // namespace

// The kernel tells of a listening socket how many wait as what is unacknowledged. What it does not tell does
// not matter: who still waits makes the socket readable again.
std::size_t count_waiting(int listener) {
  tcp_info told{};
  socklen_t size = sizeof told;
  return ::getsockopt(listener, IPPROTO_TCP, TCP_INFO, &told, &size) == 0 ? told.tcpi_unacked : 0;
}

Accepted accept_one(int listener) {
  Accepted accepted;
  do {
    accepted.peer_size = sizeof accepted.peer;
    accepted.socket.reset(::accept4(listener, reinterpret_cast<sockaddr*>(&accepted.peer),
                                    &accepted.peer_size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    accepted.err = accepted.socket ? 0 : errno;
  } while (concerns_only_the_connection(accepted.err));
  if (is_final(accepted.err)) {
    throw std::system_error(accepted.err, std::system_category());
  }
  return accepted;
}

}  // namespace msi2imds::responder
