// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>

#include "responder/session.hpp"

namespace msi2imds::responder {

// All clients' connections, at most so many at a time.
class Sessions {
 public:
  // Everything referred to must outlive the io_context's run().
  Sessions(asio::io_context& io, const Settings& settings, token::TokenSource& tokens);

  // From here on callers are known by the socket diagnosis, a NETLINK_SOCK_DIAG socket.
  void identify_callers_with(UniqueFd sock_diag) {
    services_.sock_diag.emplace(std::move(sock_diag));
  }

  [[nodiscard]] IdentityBook& callers() {
    return services_.callers;
  }
  [[nodiscard]] Recorder& recorder() {
    return services_.recorder;
  }

  // Serves one accepted connection until it ends.
  void start(StreamSocket socket, const SocketAddress& peer);

  [[nodiscard]] bool has_room() const {
    return count_ < services_.settings.max_connections;
  }

  // Returns when a session has ended, which may give room, or after cancel_waits().
  asio::awaitable<void> wait_for_room();
  void cancel_waits() {
    room_.cancel();
  }

  // No connection waits for another request any more.
  void close_when_idle();

  // No connection waits for a request any more, and no request for what is not known of its caller.
  void stop_waiting();

  // Ends all sessions, even in the middle of an answer.
  void close();

  // Returns once the last session has ended and what it did is recorded.
  asio::awaitable<void> wait_until_empty();

  // Whether a connection from `peer` is open here.
  [[nodiscard]] bool contains(const SocketAddress& peer) const;

  [[nodiscard]] std::size_t count() const {
    return count_;
  }
  [[nodiscard]] std::uint64_t accepted() const {
    return accepted_;
  }

 private:
  asio::io_context& io_;
  Services services_;
  boost::intrusive::list<Session, boost::intrusive::constant_time_size<false>> sessions_;
  std::size_t count_ = 0;
  asio::steady_timer room_;  // never fires: cancelled when a session ends
  std::uint64_t accepted_ = 0;
  bool draining_ = false;
};

}  // namespace msi2imds::responder
