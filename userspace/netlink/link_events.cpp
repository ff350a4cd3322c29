// SPDX-License-Identifier: MIT
#include "netlink/link_events.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace msi2imds::netlink {
namespace {

// A limit, so that whoever keeps changing devices cannot keep us here.
constexpr int kMostLinkEvents = 4096;

}  // namespace

Result<UniqueFd> open_link_events() {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  const sockaddr_nl links{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = RTMGRP_LINK};
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&links), sizeof links) != 0) {
    return Error::from_errno(errno, "listen to changes of network devices");
  }
  return socket;
}

void take_link_events(int socket) {
  for (int i = 0; i < kMostLinkEvents; ++i) {
    char nothing = 0;
    if (::recv(socket, &nothing, sizeof nothing, MSG_DONTWAIT) < 0 && errno != EINTR && errno != ENOBUFS) {
      return;
    }
  }
}

}  // namespace msi2imds::netlink
