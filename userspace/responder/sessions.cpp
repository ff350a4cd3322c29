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
                .recorder = Recorder(io),
                .shares = {},
                .warnings = {}},
      ended_(io, asio::steady_timer::time_point::max()) {}

void Sessions::take(StreamSocket socket, const SocketAddress& peer) {
  std::shared_ptr<Session> session = Session::open(std::move(socket), peer, services_);
  if (draining_ || find_place_for(session->holder())) {
    serve(std::move(session));
    return;
  }
  if (waiting_.size() >= services_.settings.spare_connections && !services_.shares.make_room()) {
    ++turned_away_;  // others must not wait behind those who have most
    return;
  }
  sessions_.push_back(*session);
  waiting_.push_back(std::move(session));
  serve_next();
}

bool Sessions::find_place_for(const Holder& holder) {
  const Settings& settings = services_.settings;
  if (count() < settings.max_connections) {
    return true;
  }
  return services_.shares.has_less_than_others(holder) &&
         (services_.shares.make_room() || count() < settings.max_connections + settings.spare_connections);
}

void Sessions::serve(std::shared_ptr<Session> session) {
  if (!session->SessionHook::is_linked()) {
    sessions_.push_back(*session);
  }
  services_.shares.add(*session);
  ++accepted_;
  if (draining_) {
    session->close_when_idle();
  }
  const auto begin = [&session] { return session->run(); };
  spawn_contained(io_, "serve a connection", begin, [this, session] {
    services_.shares.remove(*session);
    session->SessionHook::unlink();
    ended_.cancel();
    serve_next();
  });
}

void Sessions::serve_next() {
  while (!waiting_.empty() && count() < services_.settings.max_connections) {
    std::shared_ptr<Session> next = std::move(waiting_.front());
    waiting_.pop_front();
    serve(std::move(next));
  }
}

void Sessions::serve_all_waiting() {
  while (!waiting_.empty()) {
    std::shared_ptr<Session> next = std::move(waiting_.front());
    waiting_.pop_front();
    serve(std::move(next));
  }
}

void Sessions::close_when_idle() {
  draining_ = true;
  for (Session& session : sessions_) {
    session.close_when_idle();
  }
  serve_all_waiting();
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
    (void)co_await ended_.async_wait(kAsTuple);
  }
  co_await services_.callers.wait_for_all();
}

bool Sessions::contains(const SocketAddress& peer) const {
  return std::any_of(sessions_.begin(), sessions_.end(),
                     [&peer](const Session& session) { return session.peer() == peer; });
}

}  // namespace msi2imds::responder
