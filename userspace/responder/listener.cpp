// SPDX-License-Identifier: MIT
#include "responder/listener.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <system_error>

#include "base/log.hpp"
#include "responder/accept.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::chrono::milliseconds kAcceptBackoff{50};
constexpr int kAcceptBatch = 64;  // then the connections already there get their turn

}  // namespace

Listener::Listener(asio::io_context& io, UniqueFd socket, const SocketAddress& address, Sessions& sessions)
    : io_(io), socket_(io, socket.release()), address_(address), sessions_(sessions) {}

void Listener::start() {
  accepting_.start(io_, "accept connections", run(shared_from_this()));
}

Listener::Step Listener::serve_one() {
  Accepted accepted = accept_one(socket_.native_handle());
  if (accepted.err == EAGAIN || accepted.err == EWOULDBLOCK) {
    return Step::nothing;
  }
  if (!accepted.socket) {
    log::warn("cannot accept on {}: {}", address_.to_string(), std::system_category().message(accepted.err));
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
  sessions_.take(std::move(socket), SocketAddress::from_sockaddr(accepted.peer, accepted.peer_size));
  return Step::connection;
}

asio::awaitable<void> Listener::run(std::shared_ptr<Listener> /*self*/) {
  asio::steady_timer backoff(io_);
  int accepted = 0;
  while (socket_.is_open()) {
    if (++accepted % kAcceptBatch == 0) {
      co_await asio::post(io_, asio::use_awaitable);
      continue;  // as after each wait: by now it may be closed
    }
    switch (serve_one()) {
      case Step::connection:
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
  while (backlog == control::Backlog::serve && serve_one() == Step::connection) {
  }
  sessions_.serve_all_waiting();
  accepting_.stop();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace msi2imds::responder
