// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "base/asio.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "http/deadlines.hpp"
#include "http/message.hpp"
#include "imds/history.hpp"
#include "token/token.hpp"

namespace msi2imds::imds {

inline constexpr std::size_t kMaxReply = 1024UL * 1024;

class Connection;
using ConnectionPtr = std::shared_ptr<Connection>;

// One connection to IMDS, and what was asked over it. Its failures are of imds::Errc, or
// http::Errc::not_http.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `begun` is when somebody was asked to make the socket.
  Connection(StreamSocket socket, http::Deadlines& deadlines, SteadyTime begun);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() = default;

  // Waits until a socket that has begun to connect is connected.
  static asio::awaitable<Result<ConnectionPtr>> connect(asio::io_context& io, UniqueFd fd,
                                                        http::Deadlines& deadlines, SteadyTime begun,
                                                        std::chrono::seconds timeout);

  // Sends a request and reads its answer; all of that has to be over within the time-out, else the connection
  // is reset.
  asio::awaitable<Result<http::Answer>> exchange(const token::TokenRequest& request, const std::string& host,
                                                 std::chrono::seconds timeout);

  // Whether a request is under way, or about to be, and no byte of its answer has come.
  [[nodiscard]] bool is_silent() const {
    return is_silent_;
  }

  // Whether the other end's kernel has not acknowledged all that was sent: then IMDS does not have it.
  [[nodiscard]] bool has_unacknowledged();

  // Closes it at once. What has not arrived at the other end never will.
  void reset();

  // From now on the connection is closed at once when anything comes over it, were it only its end, and
  // after that time in any case.
  void rest(std::chrono::milliseconds at_most);

  // Ends the rest. False: the connection cannot be used any more.
  [[nodiscard]] bool wake();

  [[nodiscard]] const History& history() const {
    return history_;
  }
  [[nodiscard]] SteadyTime begun() const {
    return begun_;
  }
  // When the last rest began.
  [[nodiscard]] SteadyTime last_used() const {
    return last_used_;
  }

 private:
  [[nodiscard]] Error lost(bool is_late, const char* what);
  void close_if_resting();

  StreamSocket socket_;
  http::Deadlines& deadlines_;
  asio::steady_timer end_of_rest_;
  SteadyTime begun_;
  SteadyTime last_used_{};
  History history_;
  bool is_silent_ = false;
  bool rests_ = false;
};

}  // namespace msi2imds::imds
