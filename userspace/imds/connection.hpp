// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "base/asio.hpp"
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

// One connection to IMDS, and what was asked over it. Its failures are of imds::Errc.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(StreamSocket socket, http::Deadlines& deadlines);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() = default;

  // Waits until a socket that has begun to connect is connected.
  static asio::awaitable<Result<ConnectionPtr>> connect(asio::io_context& io, UniqueFd fd,
                                                        http::Deadlines& deadlines,
                                                        std::chrono::seconds timeout);

  // Sends a request and reads its answer; all of that has to be over within the time-out.
  asio::awaitable<Result<http::Answer>> exchange(const token::TokenRequest& request, const std::string& host,
                                                 std::chrono::seconds timeout);

  // True once a byte of the last answer was seen: then the request must not be sent a second time unasked.
  [[nodiscard]] bool heard_something() const {
    return heard_something_;
  }

  // From now on the connection is closed at once when anything comes over it, were it only its end.
  void rest();

  // Ends the rest. False: the connection cannot be used any more.
  [[nodiscard]] bool wake();

  [[nodiscard]] const History& history() const {
    return history_;
  }

 private:
  StreamSocket socket_;
  http::Deadlines& deadlines_;
  History history_;
  bool heard_something_ = false;
  bool rests_ = false;
};

}  // namespace msi2imds::imds
