// SPDX-License-Identifier: MIT
#include "control/channel.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <span>
#include <string_view>

#include "base/message.hpp"

namespace msi2imds::control {
Channel::Channel(asio::io_context& io, UniqueFd socket) : socket_(io, socket.release()) {
  socket_.non_blocking(true);
}

Result<std::pair<UniqueFd, UniqueFd>> Channel::make_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error::from_errno(errno, "make a socketpair");
  }
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Result<void> Channel::send(const Message& message, int descriptor) {
  const std::string_view bytes(reinterpret_cast<const char*>(&message), sizeof message);
  if (!send_message(socket_.native_handle(), bytes, descriptor)) {
    return Error::from_errno(errno, "send on the control channel");
  }
  return {};
}

Result<Received> Channel::receive_now() {
  Received received;
  const std::span<char> room(reinterpret_cast<char*>(&received.message), sizeof received.message);
  ReceivedMessage came = receive_message(socket_.native_handle(), room);
  if (came.size < 0) {
    return Error::from_errno(errno, "receive on the control channel");
  }
  if (came.size == 0) {
    return Error::from_errno(ECONNRESET, "receive on the control channel");
  }
  if (came.size != sizeof(Message) || came.descriptors > 1 || (came.flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return Error::from_errno(EBADMSG, "receive on the control channel");
  }
  received.descriptor = std::move(came.descriptor);
  received.message.text.back() = '\0';
  return received;
}

asio::awaitable<Result<Received>> Channel::receive() {
  while (true) {
    Result<Received> received = receive_now();
    if (received || received.error().code() != boost::system::errc::resource_unavailable_try_again) {
      co_return received;
    }
    const auto [ec] = co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    if (ec) {
      co_return Error(ec, "wait on the control channel");
    }
  }
}

void Channel::cancel() {
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

}  // namespace msi2imds::control
