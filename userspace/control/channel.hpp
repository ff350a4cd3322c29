// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <utility>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "control/message.hpp"

namespace msi2imds::control {

inline constexpr std::chrono::seconds kHeartbeat{2};
inline constexpr std::chrono::seconds kHeartbeatMissed{20};
// A responder that drains with a successor (Backlog::leave) is gone by then, or is ended: all who dial
// meanwhile wait, and a second with the successor's start included is what they may have to.
inline constexpr std::chrono::milliseconds kHandOver{700};

struct Received {
  Message message;
  UniqueFd descriptor;
};

// One end of the socketpair. When the other end's process is gone, receive() fails.
class Channel {
 public:
  // Takes a SOCK_SEQPACKET unix socket.
  Channel(asio::io_context& io, UniqueFd socket);

  // A connected pair, both close-on-exec.
  static Result<std::pair<UniqueFd, UniqueFd>> make_pair();

  // Sends without waiting; the descriptor stays the caller's. Fails with EAGAIN when the other end does not
  // read.
  Result<void> send(const Message& message, int descriptor = -1);

  // The next message. Fails with ECONNRESET when the other end is closed, EBADMSG when a message has another
  // size.
  asio::awaitable<Result<Received>> receive();

  void cancel();

 private:
  Result<Received> receive_now();

  asio::posix::stream_descriptor socket_;
};

}  // namespace msi2imds::control
