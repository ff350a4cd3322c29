// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::control {

// Sends messages over a socket in order. What the socket does not take at once waits here, with its
// descriptor, until it does.
class Outbox : public std::enable_shared_from_this<Outbox> {
 public:
  // What may wait for an end that does not read. A burst of questions about callers is answered with some
  // thousands of identities of a few KiB each before the other end has read the first.
  static constexpr std::size_t kMostBytes = std::size_t{16} * 1024 * 1024;
  static constexpr std::size_t kMostMessages = 4096;
  static constexpr std::size_t kMostDescriptors = 512;  // each is one of ours, too

  // Told once, when a message has been lost and the other end is still there.
  using AtLoss = std::function<void(const Error& why)>;

  // The socket has to live as long as the outbox, which is to be held by a shared_ptr.
  Outbox(asio::io_context& io, asio::posix::stream_descriptor& socket, AtLoss at_loss)
      : socket_(socket), emptied_(io, asio::steady_timer::time_point::max()), at_loss_(std::move(at_loss)) {}

  // Takes a message; the descriptor stays the caller's. Fails with EAGAIN when too much waits already.
  Result<void> send(std::string bytes, int descriptor);

  // Returns once nothing waits: everything is sent, or cannot be any more.
  asio::awaitable<void> flush();

  // Forgets what waits.
  void drop();

 private:
  struct Waiting {
    std::string bytes;
    UniqueFd descriptor;
  };

  Result<void> keep(std::string bytes, int descriptor);
  void wait_until_writable();
  void send_waiting();
  Error lose(int err);

  asio::posix::stream_descriptor& socket_;
  std::deque<Waiting> waiting_;
  std::size_t bytes_ = 0;        // of what waits
  std::size_t descriptors_ = 0;  // the same
  bool is_watching_ = false;
  asio::steady_timer emptied_;
  AtLoss at_loss_;
};

}  // namespace msi2imds::control
