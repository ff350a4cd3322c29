// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>

#include <cstddef>

#include "base/unique_fd.hpp"

namespace msi2imds::responder {

// So many are accepted at a time; then the connections already there get their turn.
inline constexpr std::size_t kAcceptBatch = 64;

struct Accepted {
  UniqueFd socket;
  sockaddr_storage peer{};
  socklen_t peer_size = 0;
  int err = 0;  // why there is no socket; EAGAIN: nobody waits, anything else: it may work later
};

// For how many connections accept_one() need not be called in vain, for which the kernel makes a socket
// first.
[[nodiscard]] std::size_t count_waiting(int listener);

// Accepts a connection without waiting. One that died before we saw it is passed over. Throws a
// std::system_error when nothing can ever be accepted from `listener`: going on would mean to serve nobody.
[[nodiscard]] Accepted accept_one(int listener);

}  // namespace msi2imds::responder
