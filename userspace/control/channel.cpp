// SPDX-License-Identifier: MIT
#include "control/channel.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "base/message.hpp"

namespace msi2imds::control {
namespace {

// What stands before the body.
struct Header {
  Kind kind = Kind::alive;
  std::uint32_t id = 0;
  std::int32_t error = 0;
  std::int32_t value = 0;
  std::uint64_t number = 0;
};
static_assert(std::has_unique_object_representations_v<Header>);

constexpr std::size_t kMostBytes = sizeof(Header) + kMostBody;

}  // namespace

Channel::Channel(asio::io_context& io, UniqueFd socket, Outbox::AtLoss at_loss)
    : socket_(io, socket.release()),
      outbox_(std::make_shared<Outbox>(io, socket_, std::move(at_loss))),
      room_(std::make_unique_for_overwrite<char[]>(kMostBytes)) {
  socket_.non_blocking(true);
}

Channel::~Channel() {
  outbox_->drop();
}

Result<std::pair<UniqueFd, UniqueFd>> Channel::make_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error::from_errno(errno, "make a socketpair");
  }
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Result<void> Channel::send(const Message& message, int descriptor) {
  if (message.body.size() > kMostBody) {
    return Error::from_errno(EMSGSIZE, "send on the control channel");
  }
  const Header header{.kind = message.kind,
                      .id = message.id,
                      .error = message.error,
                      .value = message.value,
                      .number = message.number};
  std::string bytes;
  bytes.reserve(sizeof header + message.body.size());
  bytes.append(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += message.body;
  return outbox_->send(std::move(bytes), descriptor);
}

Result<Received> Channel::receive_now() {
  const std::span<char> room(room_.get(), kMostBytes);
  ReceivedMessage came = receive_message(socket_.native_handle(), room);
  // When the other end has closed without having read everything, the kernel says so once, before it hands
  // out what the other end had sent.
  if (came.size < 0 && errno == ECONNRESET) {
    came = receive_message(socket_.native_handle(), room);
  }
  if (came.size < 0) {
    return Error::from_errno(errno, "receive on the control channel");
  }
  if (came.size == 0) {
    return Error::from_errno(ECONNRESET, "receive on the control channel");
  }
  const auto size = static_cast<std::size_t>(came.size);
  if (size < sizeof(Header) || came.descriptors > 1 || (came.flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return Error::from_errno(EBADMSG, "receive on the control channel");
  }
  Header header;
  std::memcpy(&header, room.data(), sizeof header);
  Received received;
  received.message = {.kind = header.kind,
                      .id = header.id,
                      .error = header.error,
                      .value = header.value,
                      .number = header.number,
                      .body = std::string(room.data() + sizeof header, size - sizeof header)};
  received.descriptor = std::move(came.descriptor);
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

void Channel::when_closed(std::function<void()> act) {
  socket_.async_wait(asio::posix::stream_descriptor::wait_error,
                     [act = std::move(act)](const boost::system::error_code& ec) {
                       if (!ec) {
                         act();
                       }
                     });
}

void Channel::cancel() {
  boost::system::error_code ignored;
  socket_.cancel(ignored);
  outbox_->drop();
}

}  // namespace msi2imds::control
