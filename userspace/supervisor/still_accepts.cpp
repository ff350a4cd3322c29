// SPDX-License-Identifier: MIT
#include "supervisor/still_accepts.hpp"

#include <poll.h>
#include <sys/socket.h>

namespace msi2imds::supervisor {

// A TCP socket does not listen any more then; a unix socket goes on listening, and refuses.
bool still_accepts(int socket) {
  int listens = 0;
  socklen_t size = sizeof listens;
  pollfd state{.fd = socket, .events = POLLRDHUP, .revents = 0};
  return ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens == 1 &&
         ::poll(&state, 1, 0) == 0;
}

}  // namespace msi2imds::supervisor
