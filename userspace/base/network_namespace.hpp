// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace msi2imds {

// The number by which the kernel and its BPF programs know a socket's network namespace. Nothing where the
// kernel does not tell (before 5.14).
[[nodiscard]] inline std::optional<std::uint64_t> namespace_cookie_of(int socket) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return ::getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0 ? std::optional(cookie)
                                                                                : std::nullopt;
}

}  // namespace msi2imds
