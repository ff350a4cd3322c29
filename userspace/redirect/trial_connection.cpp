// SPDX-License-Identifier: MIT
#include "redirect/trial_connection.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <chrono>

#include "redirect/errors.hpp"

namespace msi2imds::redirect {
namespace {

constexpr std::chrono::milliseconds kTrialPatience{1000};
constexpr std::chrono::milliseconds kTrialPause{10};

UniqueFd make_socket() {
  return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

Result<SocketAddress> bind_to_any_port(const UniqueFd& socket) {
  const auto any = SocketAddress::ipv4_loopback(0);
  if (::bind(socket.get(), any.get(), any.size()) != 0) {
    return Error::from_errno(errno, "bind to 127.0.0.1");
  }
  return SocketAddress::local_of(socket.get());
}

bool is_ready(const UniqueFd& socket, short event) {
  pollfd polled{.fd = socket.get(), .events = event, .revents = 0};
  return ::poll(&polled, 1, 0) == 1;
}

// A loopback connection is made at once unless its packets are dropped.
asio::awaitable<bool> gets_ready(const UniqueFd& socket, short event) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (auto waited = kTrialPause; waited < kTrialPatience && !is_ready(socket, event);
       waited += kTrialPause) {
    timer.expires_after(kTrialPause);
    (void)co_await timer.async_wait(kAsTuple);
  }
  co_return is_ready(socket, event);
}

}  // namespace

Result<TrialConnection> TrialConnection::prepare() {
  TrialConnection trial;
  trial.holder_ = make_socket();
  trial.listener_ = make_socket();
  const Result<SocketAddress> dialled = bind_to_any_port(trial.holder_);
  const Result<SocketAddress> listening = bind_to_any_port(trial.listener_);
  if (!dialled || !listening) {
    return dialled ? listening.error() : dialled.error();
  }
  if (::listen(trial.listener_.get(), 1) != 0) {
    return Error::from_errno(errno, "listen on " + listening->to_string());
  }
  trial.dialled_ = *dialled;
  trial.listening_ = *listening;
  return trial;
}

asio::awaitable<Result<void>> TrialConnection::connect() const {
  const UniqueFd client = make_socket();
  (void)::connect(client.get(), dialled_.get(), dialled_.size());  // goes on in the background
  int failure = 0;
  socklen_t size = sizeof failure;
  const bool is_answered = co_await gets_ready(client, POLLOUT);
  if (!is_answered || ::getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &failure, &size) != 0 ||
      failure != 0) {
    co_return Error(Errc::no_effect, "try the rule");
  }
  const bool has_arrived = co_await gets_ready(listener_, POLLIN);
  const UniqueFd accepted(has_arrived ? ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC) : -1);
  if (!accepted) {
    co_return Error(Errc::no_effect, "try the rule");
  }
  co_return Result<void>();
}

}  // namespace msi2imds::redirect
