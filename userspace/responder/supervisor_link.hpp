// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <map>
#include <optional>

#include "control/channel.hpp"

namespace msi2imds::responder {

// The responder's line to the supervisor: questions with answers, and what the supervisor says unasked.
class SupervisorLink {
 public:
  SupervisorLink(asio::io_context& io, UniqueFd socket);

  // Sends a question and waits for its answer; fails with ETIMEDOUT when none comes.
  asio::awaitable<Result<control::Received>> ask(control::Message question);
  asio::awaitable<Result<control::Received>> ask(control::Kind question);

  Result<void> tell(const control::Message& message);
  Result<void> tell(control::Kind kind);

  // The next message that answers no question. Answers are handed to those who wait for them meanwhile.
  asio::awaitable<Result<control::Received>> receive();

  // Returns once all that was told is on its way. Whoever leaves waits for it.
  asio::awaitable<void> flush() {
    return channel_.flush();
  }

  // Makes a pending receive() fail.
  void stop_receiving() {
    channel_.cancel();
  }

 private:
  struct Question {
    explicit Question(asio::io_context& io) : timer(io) {}
    asio::steady_timer timer;
    std::optional<control::Received> answer;
  };

  asio::io_context& io_;
  control::Channel channel_;
  std::uint32_t last_id_ = 0;
  std::map<std::uint32_t, Question*> questions_;
};

}  // namespace msi2imds::responder
