// SPDX-License-Identifier: MIT
#include "control/channel.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace msi2imds::control {
namespace {

// Room for one descriptor; alignment makes it two, so one too many may come as well.
union DescriptorBuffer {
  cmsghdr align;
  std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

// Whatever came is owned at once: `first` keeps one, the others are closed. Returns how many there were.
std::size_t take_descriptors(msghdr& header, UniqueFd& first) {
  std::size_t count = 0;
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const std::size_t bytes = control->cmsg_len - CMSG_LEN(0);
    for (std::size_t offset = 0; offset + sizeof(int) <= bytes; offset += sizeof(int)) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(control) + offset, sizeof descriptor);
      UniqueFd owned(descriptor);
      if (count++ == 0) {
        first = std::move(owned);
      }
    }
  }
  return count;
}

}  // namespace

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
  Message copy = message;
  iovec part{.iov_base = &copy, .iov_len = sizeof copy};
  DescriptorBuffer buffer{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (descriptor >= 0) {
    header.msg_control = buffer.bytes.data();
    header.msg_controllen = buffer.bytes.size();
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
  }
  if (::sendmsg(socket_.native_handle(), &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    return Error::from_errno(errno, "send on the control channel");
  }
  return {};
}

Result<Received> Channel::receive_now() {
  Received received;
  iovec part{.iov_base = &received.message, .iov_len = sizeof received.message};
  DescriptorBuffer buffer{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = buffer.bytes.data();
  header.msg_controllen = buffer.bytes.size();
  const ssize_t size = ::recvmsg(socket_.native_handle(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  const int err = errno;
  if (size < 0) {
    return Error::from_errno(err, "receive on the control channel");
  }
  const std::size_t descriptors = take_descriptors(header, received.descriptor);
  if (size == 0) {
    return Error::from_errno(ECONNRESET, "receive on the control channel");
  }
  if (size != sizeof(Message) || descriptors > 1 || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return Error::from_errno(EBADMSG, "receive on the control channel");
  }
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
