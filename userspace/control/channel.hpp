// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "control/message.hpp"
#include "control/outbox.hpp"

namespace msi2imds::control {

inline constexpr std::chrono::seconds kHeartbeat{2};
inline constexpr std::chrono::seconds kHeartbeatMissed{20};
// How long a responder may drain if a successor follows (Backlog::leave); then it is ended. New clients wait
// meanwhile, which with the successor's start may take them a second.
inline constexpr std::chrono::milliseconds kHandOver{700};

struct Received {
  Message message;
  UniqueFd descriptor;
};

// One end of the socketpair. When the other end's process is gone, receive() fails.
class Channel {
 public:
  // Takes a SOCK_SEQPACKET unix socket. `at_loss` is told once, when a message has been lost and the other
  // end is still there: what comes later would be understood wrongly.
  Channel(asio::io_context& io, UniqueFd socket, Outbox::AtLoss at_loss = nullptr);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();  // forgets what waits to be sent

  // A connected pair, both close-on-exec.
  static Result<std::pair<UniqueFd, UniqueFd>> make_pair();

  // Sends in order, without waiting for an end that is busy; the descriptor stays the caller's. Fails with
  // EMSGSIZE when the body is too long, EPIPE when the other end is closed, and EAGAIN when it has not read
  // for so long that too much waits (Outbox).
  Result<void> send(const Message& message, int descriptor = -1);

  // Returns once everything that was sent is on its way, or cannot be any more. Whoever leaves waits for it.
  asio::awaitable<void> flush() {
    return outbox_->flush();
  }

  // The next message. Fails with EBADMSG when a message is none of ours, and with ECONNRESET when the other
  // end is closed and everything that it had sent has been received.
  asio::awaitable<Result<Received>> receive();

  // Calls it once the other end is closed, whatever of it is still to be received; not after cancel(), nor
  // when this end is destroyed.
  void when_closed(std::function<void()> act);

  // Makes a pending receive() fail, and forgets what waits to be sent.
  void cancel();

 private:
  Result<Received> receive_now();

  asio::posix::stream_descriptor socket_;
  std::shared_ptr<Outbox> outbox_;
  std::unique_ptr<char[]> room_;  // for the largest message; not touched before one comes
};

}  // namespace msi2imds::control
