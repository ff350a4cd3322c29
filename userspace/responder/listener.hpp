// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/socket_address.hpp"
#include "base/spawn.hpp"
#include "base/unique_fd.hpp"
#include "base/wait_set.hpp"
#include "control/message.hpp"
#include "responder/accept.hpp"
#include "responder/sessions.hpp"

namespace msi2imds::responder {

// Accepts from one listening socket without pause, since only accepting a connection tells whose it is.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  // `network`: the container's in which it listens; 0: ours.
  Listener(asio::io_context& io, UniqueFd socket, const SocketAddress& address, Sessions& sessions,
           std::uint64_t network = 0);

  // Accepts until close(); should that end before, so does the process.
  void start();

  // Lets go of the socket, after taking what waits in its backlog unless that is left to somebody else.
  void close(control::Backlog backlog);

  [[nodiscard]] const SocketAddress& address() const {
    return address_;
  }
  [[nodiscard]] std::uint64_t network() const {
    return network_;
  }

  // Why nobody could be accepted when it was tried last; empty if somebody could, or nobody waited.
  [[nodiscard]] const std::string& failure() const {
    return failure_;
  }

 private:
  enum class Step { connection, nothing, failure };
  [[nodiscard]] Accepted accept_one();
  Step accept_next();
  void note(std::string failure);
  Step serve_batch();
  asio::awaitable<void> back_off();
  Task<> run(std::shared_ptr<Listener> self);  // close() may drop the last other owner

  asio::io_context& io_;
  WaitableSocket socket_;
  SocketAddress address_;
  std::uint64_t network_;
  Sessions& sessions_;
  std::vector<Arrived> arrived_;  // accepted, and not yet handed over
  std::string failure_;
  Duty accepting_;
};

}  // namespace msi2imds::responder
