// SPDX-License-Identifier: MIT
#include "responder/listener.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <limits>
#include <system_error>
#include <utility>

#include "base/log.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::chrono::milliseconds kAcceptBackoff{50};

}  // namespace

Listener::Listener(asio::io_context& io, UniqueFd socket, const SocketAddress& address, Sessions& sessions,
                   std::uint64_t network)
    : io_(io),
      socket_(WaitSet::of(io), std::move(socket)),
      address_(address),
      network_(network),
      sessions_(sessions) {
  // Those who come are more by then, and have sent what they ask for.
  socket_.go_on_last();
}

void Listener::start() {
  accepting_.start(io_, "accept connections", run(shared_from_this()));
}

// Whoever administers a container's network can end sockets in it: ours is replaced by the supervisor then.
Accepted Listener::accept_one() {
  try {
    return responder::accept_one(socket_.get());
  } catch (const std::system_error& ended) {
    if (network_ == 0) {
      throw;
    }
    Accepted none;
    none.err = ended.code().value();
    return none;
  }
}

Listener::Step Listener::accept_next() {
  Accepted accepted = accept_one();
  if (accepted.err == EAGAIN || accepted.err == EWOULDBLOCK) {
    note("");
    return Step::nothing;
  }
  if (!accepted.socket) {
    if (network_ == 0) {
      note("cannot accept on " + address_.to_string() + ": " + std::system_category().message(accepted.err));
    }
    return Step::failure;
  }
  note("");
  arrived_.push_back({.socket = std::move(accepted.socket),
                      .peer = SocketAddress::from_sockaddr(accepted.peer, accepted.peer_size),
                      .destination = {},
                      .network = network_});
  return Step::connection;
}

// The same failure is logged once.
void Listener::note(std::string failure) {
  if (!failure.empty() && failure_ != failure) {
    log::warn("{}; new connections wait", failure);
  }
  if (failure.empty() && !failure_.empty()) {
    log::info("accept on {} again", address_.to_string());
  }
  failure_ = std::move(failure);
}

Listener::Step Listener::serve_batch() {
  const std::size_t most = std::min(kAcceptBatch, sessions_.spare_descriptors());
  Step step = accept_next();
  const std::size_t others = step == Step::connection ? count_waiting(socket_.get()) : 0;
  while (step == Step::connection && arrived_.size() < std::min(most, 1 + others)) {
    step = accept_next();
  }
  const bool has_some = !arrived_.empty();
  sessions_.take(arrived_);
  return has_some && step == Step::nothing ? Step::connection : step;
}

// Connections that are there already get their turn between two batches.
Task<> Listener::run(std::shared_ptr<Listener> /*self*/) {
  while (true) {
    const boost::system::error_code ec = co_await SocketWait(socket_, SocketWait::For::input);
    if (socket_.get() < 0) {
      co_return;
    }
    // Most likely out of descriptors or memory: some will be free again.
    if (ec || serve_batch() == Step::failure) {
      co_await AsioWait(io_, back_off());
    }
  }
}

asio::awaitable<void> Listener::back_off() {
  asio::steady_timer timer(io_, kAcceptBackoff);
  (void)co_await timer.async_wait(kAsTuple);
}

void Listener::close(control::Backlog backlog) {
  if (socket_.get() < 0) {
    return;
  }
  // In a container's network somebody may go on to connect. Whoever comes from here on is refused.
  std::size_t waiting =
      network_ == 0 ? std::numeric_limits<std::size_t>::max() : count_waiting(socket_.get());
  while (backlog == control::Backlog::serve && waiting > 0 && serve_batch() == Step::connection) {
    waiting -= std::min(waiting, kAcceptBatch);
  }
  sessions_.serve_all_waiting();
  accepting_.stop();
  socket_.close();
}

}  // namespace msi2imds::responder
