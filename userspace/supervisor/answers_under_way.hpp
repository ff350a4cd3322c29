// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>

#include "base/asio.hpp"

namespace msi2imds::supervisor {

// Counts the answers to a responder that are being worked out, and keeps them to so many at a time while a
// responder is there to take them.
class AnswersUnderWay {
 public:
  AnswersUnderWay(asio::io_context& io, std::size_t most)
      : most_(most), changed_(io, asio::steady_timer::time_point::max()) {}

  void begin() {
    ++count_;
  }
  void end() {
    --count_;
    changed_.cancel();
  }
  // Another responder asks; what was begun for the last one still takes up room.
  void open() {
    is_open_ = true;
  }
  // Nobody takes answers any more: whoever waits for room waits no longer.
  void close() {
    is_open_ = false;
    changed_.cancel();
  }

  // Returns once there is room for another one, or nobody takes answers any more.
  asio::awaitable<void> wait_for_room() {
    while (is_open_ && count_ >= most_) {
      (void)co_await changed_.async_wait(kAsTuple);
    }
  }

 private:
  std::size_t most_;
  std::size_t count_ = 0;
  bool is_open_ = true;
  asio::steady_timer changed_;  // is cancelled at each change
};

}  // namespace msi2imds::supervisor
