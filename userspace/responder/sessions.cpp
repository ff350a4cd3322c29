// SPDX-License-Identifier: MIT
#include "responder/sessions.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"

namespace msi2imds::responder {

Sessions::Sessions(asio::io_context& io, const Settings& settings, token::TokenSource& tokens)
    : services_{.io = io,
                .settings = settings,
                .tokens = tokens,
                .deadlines = http::Deadlines(io),
                .sockets = WaitSet::of(io),
                .sock_diag = {},
                .of_networks = {},
                .seen_connections = {},
                .callers = IdentityBook(io),
                .recorder = Recorder(io),
                .shares = {},
                .warnings = {}},
      ended_(io, asio::steady_timer::time_point::max()) {}

void Sessions::recognize_callers_by(UniqueFd noted_connections) {
  services_.seen_connections.reset();
  if (!noted_connections) {
    return;
  }
  Result<caller::SeenConnections> mapped = caller::SeenConnections::map(noted_connections);
  if (mapped) {
    services_.seen_connections.emplace(std::move(*mapped));
  } else {
    log::warn("each connection is asked about: cannot {}", mapped.error().message());
  }
}

void Sessions::take(std::vector<Arrived>& arrived) {
  asked_.clear();
  const std::uint64_t network = arrived.empty() ? 0 : arrived.front().network;
  const bool takes_syn = services_.seen_connections.has_value();
  for (Arrived& one : arrived) {
    if (network != 0) {  // nothing that is known of connections of ours is about this one
      one.destination = destination_in_network(one.socket.get());
      asked_.emplace_back(one.peer, one.destination.of_client_socket);
      continue;
    }
    one.destination = destination_of(one.socket.get(), services_.settings.legacy_ports, takes_syn);
    recognize(one);
    if (!one.lookup) {
      asked_.emplace_back(one.peer, one.destination.of_client_socket);
    }
  }
  if (netlink::SockDiag* const sock_diag = services_.sock_diag_of(network)) {
    sock_diag->ask_ahead(asked_);
  }
  for (Arrived& one : arrived) {
    opened_.push_back(Session::open(std::move(one), services_));
  }
  arrived.clear();
  for (std::shared_ptr<Session>& session : opened_) {
    take(std::move(session));
  }
  opened_.clear();
}

// What the kernel has noted of a connection, and who that is, if he is known.
void Sessions::recognize(Arrived& one) {
  const Destination& destination = one.destination;
  if (!services_.seen_connections) {
    return;
  }
  if (!destination.first_sequence) {
    services_.seen_connections->drop(one.peer.port());
    return;
  }
  one.seen = services_.seen_connections->take({.client = one.peer,
                                               .server = destination.of_client_socket,
                                               .first_sequence = *destination.first_sequence});
  // Of a connection that was redirected before the observer saw it, only the supervisor knows what it was.
  const auto& legacy_ports = services_.settings.legacy_ports;
  const bool tells_dialled =
      one.seen && std::ranges::find(legacy_ports, one.seen->dialled.port()) != legacy_ports.end();
  if (tells_dialled && Session::need(services_, true) != Need::process) {
    one.lookup = services_.callers.recall(*one.seen);
  }
}

void Sessions::take(std::shared_ptr<Session> session) {
  if (draining_ || find_place_for(session->holder())) {
    serve(std::move(session));
    return;
  }
  const Holder holder = session->holder();
  Shares& shares = services_.shares;
  sessions_.push_back(*session);
  shares.enqueue(std::move(session));
  const std::size_t most = services_.settings.spare_connections;
  if (shares.queued() > most && shares.end_own_idle(holder)) {
    serve_waiting(services_.settings.max_connections);
  }
  if (shares.queued() > most) {
    ++turned_away_;  // others are not to wait behind whoever has most
    (void)shares.take_last_in_queue();
  }
}

// A client that is gone when it is accepted has no user that could be told. No busy connection ends for it
// and it gets no spare place: otherwise a user could count twice.
bool Sessions::find_place_for(const Holder& holder) {
  const Settings& settings = services_.settings;
  Shares& shares = services_.shares;
  if (count() < settings.max_connections) {
    return true;
  }
  if (shares.end_idle_for(holder)) {
    return true;
  }
  if (!holder.is_known() || !shares.has_less_than_others(holder)) {
    return false;
  }
  if (count() < settings.max_connections + settings.spare_connections) {
    return true;
  }
  // A busy session that gave way still takes memory until it notices.
  return running_ < settings.max_connections + 2 * settings.spare_connections && shares.end_busy_for(holder);
}

void Sessions::serve(std::shared_ptr<Session> session) {
  if (!session->SessionHook::is_linked()) {
    sessions_.push_back(*session);
  }
  services_.shares.add(*session);
  ++accepted_;
  ++running_;
  if (draining_) {
    session->close_when_idle();
  }
  const auto begin = [&session] { return session->run(); };
  start_contained("serve a connection", begin, [this, session] {
    services_.shares.remove(*session);
    session->SessionHook::unlink();
    --running_;
    ended_.cancel();
    serve_waiting(services_.settings.max_connections);
  });
}

// As long as fewer than `most` are served. A session may be over before serve() returns; then this loop goes
// on with whoever has its place, and not a call from within.
void Sessions::serve_waiting(std::size_t most) {
  if (is_serving_waiting_) {
    return;
  }
  is_serving_waiting_ = true;
  const std::unique_ptr<bool, void (*)(bool*)> serving(&is_serving_waiting_, [](bool* is) { *is = false; });
  while (services_.shares.queued() > 0 && count() < most) {
    serve(std::static_pointer_cast<Session>(services_.shares.take_next_in_queue()));
  }
}

void Sessions::serve_all_waiting() {
  serve_waiting(std::numeric_limits<std::size_t>::max());
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
                     [&peer](const Session& session) { return session.is_from(peer); });
}

}  // namespace msi2imds::responder
