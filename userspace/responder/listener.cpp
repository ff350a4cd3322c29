// SPDX-License-Identifier: MIT
#include "responder/listener.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "base/log.hpp"
#include "responder/accept.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::chrono::milliseconds kAcceptBackoff{50};

}  // namespace

Listener::Listener(asio::io_context& io, UniqueFd socket, const SocketAddress& address, Sessions& sessions)
    : io_(io), socket_(io, socket.release()), address_(address), sessions_(sessions) {}

void Listener::start() {
  accepting_.start(io_, "accept connections", run(shared_from_this()));
}

Listener::Step Listener::accept_next() {
  Accepted accepted = accept_one(socket_.native_handle());
  if (accepted.err == EAGAIN || accepted.err == EWOULDBLOCK) {
    note("");
    return Step::nothing;
  }
  if (!accepted.socket) {
    note("cannot accept on " + address_.to_string() + ": " + std::system_category().message(accepted.err));
    return Step::failure;
  }
  StreamSocket socket(io_);
  boost::system::error_code ec;
  socket.assign(asio::generic::stream_protocol(accepted.peer.ss_family, IPPROTO_TCP), accepted.socket.get(),
                ec);
  if (ec) {
    log::warn("cannot take an accepted connection: {}", ec.message());
    return Step::failure;
  }
  (void)accepted.socket.release();
  note("");
  arrived_.push_back({std::move(socket), SocketAddress::from_sockaddr(accepted.peer, accepted.peer_size)});
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

// Asio keeps some memory of each socket for good. Sockets are accepted in batches so that this memory lies
// together, and that of their sessions can be given back to the kernel.
Listener::Step Listener::serve_batch() {
  const std::size_t most = std::min(kAcceptBatch, sessions_.spare_descriptors());
  Step step = Step::connection;
  while (step == Step::connection && arrived_.size() < most) {
    step = arrived_.empty() || has_waiting(socket_.native_handle()) ? accept_next() : Step::nothing;
  }
  for (Arrived& arrived : arrived_) {
    sessions_.take(std::move(arrived.socket), arrived.peer);
  }
  arrived_.clear();
  return step;
}

asio::awaitable<void> Listener::run(std::shared_ptr<Listener> /*self*/) {
  asio::steady_timer backoff(io_);
  while (socket_.is_open()) {
    switch (serve_batch()) {
      case Step::connection:  // the connections already there get their turn
        co_await asio::post(io_, asio::use_awaitable);
        continue;
      case Step::nothing:
        (void)co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
        continue;
      case Step::failure:  // most likely out of descriptors: some will be free again
        backoff.expires_after(kAcceptBackoff);
        (void)co_await backoff.async_wait(kAsTuple);
        continue;
    }
  }
}

void Listener::close(control::Backlog backlog) {
  if (!socket_.is_open()) {
    return;
  }
  while (backlog == control::Backlog::serve && serve_batch() == Step::connection) {
  }
  sessions_.serve_all_waiting();
  accepting_.stop();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace msi2imds::responder
