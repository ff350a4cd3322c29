// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "base/unique_fd.hpp"

// Messages over unix sockets, with a descriptor.
namespace msi2imds {

// The address to send to, for a socket that is not connected.
struct MessageAddress {
  const sockaddr* address = nullptr;
  socklen_t size = 0;
};

// Sends without waiting; the descriptor stays the caller's, -1: none goes along. False: see errno. Without
// descriptor and address that is send(2), which those may use whom a filter forbids to pass descriptors on.
[[nodiscard]] bool send_message(int socket, std::string_view bytes, int descriptor, MessageAddress to = {});

struct ReceivedMessage {
  ssize_t size = -1;  // as recvmsg(2), with its errno
  int flags = 0;
  UniqueFd descriptor;          // the first
  std::size_t descriptors = 0;  // that came; all but the first are closed
};

// recvmsg(2) without waiting; `flags`, such as MSG_PEEK, are added.
[[nodiscard]] ReceivedMessage receive_message(int socket, std::span<char> room, int flags = 0);

}  // namespace msi2imds
