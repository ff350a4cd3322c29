// SPDX-License-Identifier: MIT
#include "base/message.hpp"

#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace msi2imds {
namespace {

// Room for one descriptor; alignment makes it two, so one too many may come as well.
union DescriptorBuffer {
  cmsghdr align;
  std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

// Whatever came is owned at once.
void take_descriptors(msghdr& header, ReceivedMessage& received) {
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
      if (received.descriptors++ == 0) {
        received.descriptor = std::move(owned);
      }
    }
  }
}

}  // namespace

bool send_message(int socket, std::string_view bytes, int descriptor, MessageAddress to) {
  if (descriptor < 0 && to.address == nullptr) {
    return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
  }
  iovec part{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  DescriptorBuffer buffer{};
  msghdr header{};
  header.msg_name = const_cast<sockaddr*>(to.address);
  header.msg_namelen = to.size;
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
  return ::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

ReceivedMessage receive_message(int socket, std::span<char> room, int flags) {
  iovec part{.iov_base = room.data(), .iov_len = room.size()};
  DescriptorBuffer buffer{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = buffer.bytes.data();
  header.msg_controllen = buffer.bytes.size();
  ReceivedMessage received;
  received.size = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT | flags);
  if (received.size >= 0) {
    received.flags = header.msg_flags;
    take_descriptors(header, received);
  }
  return received;
}

}  // namespace msi2imds
