// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <optional>

#include "base/asio.hpp"
#include "base/task.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds {

class WaitSet;

// A socket that Tasks read and write by themselves, and wait for where they cannot. The kernel is told of it
// when something waits for it first.
class WaitableSocket
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  // `set` must outlive the socket. One that other processes have as well has to be closed with close().
  WaitableSocket(WaitSet& set, UniqueFd socket) : set_(set), socket_(std::move(socket)) {}

  [[nodiscard]] int get() const {
    return socket_.get();
  }
  [[nodiscard]] WaitSet& set() const {
    return set_;
  }

  // From here on, whoever waits for it goes on after all whose waits are over at the same time.
  void go_on_last() {
    goes_last_ = true;
  }

  // Ends the wait for it, if there is one: operation_aborted.
  void cancel();
  // Ends the wait as well.
  void close();

 private:
  friend class WaitSet;
  friend class SocketWait;

  WaitSet& set_;
  UniqueFd socket_;
  std::uint32_t armed_ = 0;  // the events that the kernel is to tell of
  std::optional<Resumption> waiting_;
  bool goes_last_ = false;
  bool is_over_ = false;  // the wait; whoever waited goes on soon
  boost::system::error_code failure_;
};

// The sockets of an io_context that Tasks wait for. Asio takes four system calls for each that is waited for
// once, and two where nothing waits; here it is one, and none for a further wait for the same.
class WaitSet : public asio::execution_context::service {
 public:
  static inline asio::execution_context::id id;

  // The one of that io_context. Throws where it cannot be made, which happens at the first call.
  static WaitSet& of(asio::io_context& io) {
    return asio::use_service<WaitSet>(io);
  }
  explicit WaitSet(asio::execution_context& io);

  [[nodiscard]] asio::io_context& io() {
    return io_;
  }

 private:
  friend class WaitableSocket;
  friend class SocketWait;
  using Sockets = boost::intrusive::list<WaitableSocket, boost::intrusive::constant_time_size<false>>;

  void shutdown() noexcept override;
  void wait(WaitableSocket& socket, std::uint32_t events);
  void end_wait(WaitableSocket& socket, boost::system::error_code failure);
  void forget(WaitableSocket& socket);
  void watch();
  void take_events();
  void go_on();

  asio::io_context& io_;
  asio::posix::stream_descriptor epoll_;
  bool is_watched_ = false;
  bool is_posted_ = false;
  Sockets waiting_;
  Sockets over_;  // their waits are, and whoever waited has not gone on yet
};

// Waits until the socket is ready for that, or the wait is cancelled.
class SocketWait : public Waiting<SocketWait> {
 public:
  enum class For : std::uint8_t { input, room };
  SocketWait(WaitableSocket& socket, For what) : socket_(&socket), what_(what) {}

  void begin(Resumption resumption);
  [[nodiscard]] boost::system::error_code await_resume() const noexcept {
    return socket_->failure_;
  }

 private:
  WaitableSocket* socket_;
  For what_;
};

}  // namespace msi2imds
