// SPDX-License-Identifier: MIT
#include "base/wait_set.hpp"

#include <sys/epoll.h>

#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <span>
#include <system_error>
#include <utility>

namespace msi2imds {
namespace {

constexpr int kMostEvents = 64;

int open_epoll() {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) {
    throw std::system_error(errno, std::system_category(), "wait for sockets");
  }
  return epoll;
}

}  // namespace

void WaitableSocket::cancel() {
  if (waiting_ && !is_over_) {
    set_.end_wait(*this, asio::error::operation_aborted);
  }
}

void WaitableSocket::close() {
  cancel();
  set_.forget(*this);  // another process may have it, too
  socket_.reset();
}

WaitSet::WaitSet(asio::execution_context& io)
    : service(io), io_(static_cast<asio::io_context&>(io)), epoll_(io_, open_epoll()) {}

// Whoever waits ends here, as all do that wait in an io_context.
void WaitSet::shutdown() noexcept {
  for (Sockets* sockets : {&waiting_, &over_}) {
    while (!sockets->empty()) {
      WaitableSocket& socket = sockets->front();
      sockets->pop_front();
      const Resumption dropped(std::move(*socket.waiting_));
      socket.waiting_.reset();
    }
  }
}

void WaitSet::wait(WaitableSocket& socket, std::uint32_t events) {
  socket.is_over_ = false;
  socket.failure_ = {};
  if (socket.armed_ != events) {
    epoll_event armed{.events = events, .data = {.ptr = &socket}};
    const int operation = socket.armed_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (::epoll_ctl(epoll_.native_handle(), operation, socket.get(), &armed) != 0) {
      end_wait(socket, boost::system::error_code(errno, boost::system::system_category()));
      return;
    }
    socket.armed_ = events;
  }
  waiting_.push_back(socket);
  watch();
}

void WaitSet::forget(WaitableSocket& socket) {
  if (std::exchange(socket.armed_, 0) != 0) {
    (void)::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, socket.get(), nullptr);
  }
}

// Whoever waited goes on from the event loop, and not in the middle of what ends his wait.
void WaitSet::end_wait(WaitableSocket& socket, boost::system::error_code failure) {
  socket.unlink();
  socket.is_over_ = true;
  socket.failure_ = failure;
  over_.push_back(socket);
  if (!std::exchange(is_posted_, true)) {
    asio::post(io_, [this] {
      is_posted_ = false;
      go_on();
    });
  }
}

void WaitSet::watch() {
  if (std::exchange(is_watched_, true)) {
    return;
  }
  epoll_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& ec) {
    if (ec) {
      return;
    }
    is_watched_ = false;
    take_events();
    go_on();
    if (!waiting_.empty()) {
      watch();
    }
  });
}

// The kernel tells of a socket as long as it is ready for what was waited for last. One for which nobody
// waits, such as that of a client who has left before his answer, it is to forget until somebody does.
void WaitSet::take_events() {
  std::array<epoll_event, kMostEvents> events;  // NOLINT(*-member-init): filled below
  Sockets last;
  const int count = ::epoll_wait(epoll_.native_handle(), events.data(), kMostEvents, 0);
  for (const epoll_event& event : std::span(events).first(count > 0 ? static_cast<std::size_t>(count) : 0)) {
    WaitableSocket& socket = *static_cast<WaitableSocket*>(event.data.ptr);
    if (!socket.waiting_) {
      forget(socket);
    } else if (!socket.is_over_) {
      socket.unlink();
      socket.is_over_ = true;
      (socket.goes_last_ ? last : over_).push_back(socket);
    }
  }
  over_.splice(over_.end(), last);
}

// Those whose waits are over by now; what happens meanwhile, which may end some of them, has its turn later.
void WaitSet::go_on() {
  Sockets now;
  now.swap(over_);
  while (!now.empty()) {
    WaitableSocket& socket = now.front();
    now.pop_front();
    Resumption resumption(std::move(*socket.waiting_));
    socket.waiting_.reset();
    resumption.resume();
  }
}

void SocketWait::begin(Resumption resumption) {
  socket_->waiting_.emplace(std::move(resumption));
  socket_->set_.wait(*socket_, what_ == For::input ? EPOLLIN : EPOLLOUT);
}

}  // namespace msi2imds
