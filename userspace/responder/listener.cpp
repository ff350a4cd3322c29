// SPDX-License-Identifier: MIT
#include "responder/listener.hpp"

#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <system_error>

#include "base/log.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::chrono::milliseconds kAcceptBackoff{50};
constexpr int kAcceptBatch = 64;  // then the connections already there get their turn

// The connection died before we saw it; the listener is as good as before (accept(2)).
bool concerns_only_the_connection(int err) {
  return err == ECONNABORTED || err == EINTR || err == EPROTO || err == ENETDOWN || err == EHOSTUNREACH ||
         err == ENETUNREACH;
}

}  // namespace

Listener::Listener(asio::io_context& io, UniqueFd socket, const SocketAddress& address, Sessions& sessions)
    : io_(io), socket_(io, socket.release()), address_(address), sessions_(sessions) {}

Listener::Accepted Listener::accept_one() {
  while (true) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    UniqueFd fd(::accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size,
                          SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      StreamSocket socket(io_);
      boost::system::error_code ec;
      socket.assign(asio::generic::stream_protocol(peer.ss_family, IPPROTO_TCP), fd.get(), ec);
      if (ec) {
        log::warn("take an accepted connection: {}", ec.message());
        return Accepted::failure;
      }
      (void)fd.release();
      sessions_.start(std::move(socket), SocketAddress::from_sockaddr(peer, size));
      return Accepted::connection;
    }
    const int err = errno;
    if (err == EAGAIN || err == EWOULDBLOCK) {
      return Accepted::nothing;
    }
    if (!concerns_only_the_connection(err)) {
      log::warn("accept on {}: {}", address_.to_string(), std::system_category().message(err));
      return Accepted::failure;
    }
  }
}

asio::awaitable<void> Listener::run() {
  const auto self = shared_from_this();  // close() may drop the last other owner
  asio::steady_timer backoff(io_);
  int accepted = 0;
  while (socket_.is_open()) {
    if (++accepted % kAcceptBatch == 0) {
      co_await asio::post(io_, asio::use_awaitable);
    }
    if (!sessions_.has_room()) {
      co_await sessions_.wait_for_room();
      continue;
    }
    switch (accept_one()) {
      case Accepted::connection:
        continue;
      case Accepted::nothing:
        (void)co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
        continue;
      case Accepted::failure:  // most likely out of descriptors: some will be free again
        backoff.expires_after(kAcceptBackoff);
        (void)co_await backoff.async_wait(kAsTuple);
        continue;
    }
  }
}

void Listener::close(control::Backlog backlog) {
  while (backlog == control::Backlog::serve && accept_one() == Accepted::connection) {
  }
  boost::system::error_code ignored;
  socket_.close(ignored);
  sessions_.cancel_waits();
}

}  // namespace msi2imds::responder
