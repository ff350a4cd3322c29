// SPDX-License-Identifier: MIT
#include "responder/sessions.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/spawn.hpp"

namespace msi2imds::responder {

Sessions::Sessions(asio::io_context& io, const Settings& settings, token::TokenSource& tokens)
    : io_(io),
      services_{.settings = settings,
                .tokens = tokens,
                .deadlines = http::Deadlines(io),
                .sock_diag = {},
                .callers = IdentityBook(io),
                .recorder = Recorder(io)},
      room_(io, asio::steady_timer::time_point::max()) {}

void Sessions::start(StreamSocket socket, const SocketAddress& peer) {
  const auto session = std::make_shared<Session>(std::move(socket), peer, services_);
  sessions_.push_back(*session);
  ++accepted_;
  ++count_;
  if (draining_) {
    session->close_when_idle();
  }
  spawn_contained(io_, "serve a connection", session->run(), [this, session] {
    session->unlink();
    --count_;
    room_.cancel();
  });
}

asio::awaitable<void> Sessions::wait_for_room() {
  (void)co_await room_.async_wait(kAsTuple);
}

void Sessions::close_when_idle() {
  draining_ = true;
  for (Session& session : sessions_) {
    session.close_when_idle();
  }
}

void Sessions::stop_waiting() {
  services_.callers.give_up();
  for (Session& session : sessions_) {
    session.stop_reading();
  }
}

void Sessions::close() {
  for (Session& session : sessions_) {
    session.close();
  }
}

asio::awaitable<void> Sessions::wait_until_empty() {
  while (!sessions_.empty()) {
    (void)co_await room_.async_wait(kAsTuple);
  }
  co_await services_.callers.wait_for_all();
}

bool Sessions::contains(const SocketAddress& peer) const {
  return std::any_of(sessions_.begin(), sessions_.end(),
                     [&peer](const Session& session) { return session.peer() == peer; });
}

}  // namespace msi2imds::responder
