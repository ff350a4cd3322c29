// SPDX-License-Identifier: MIT
#include "netlink/exchange.hpp"

#include <linux/netlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace msi2imds::netlink {
namespace {

// What NLMSG_ERROR and NLMSG_DONE begin with; 0: all is well.
int error_in(const nlmsghdr* header) {
  int error = 0;
  if (nlmsg_datalen(header) >= static_cast<int>(sizeof error)) {
    std::memcpy(&error, nlmsg_data(header), sizeof error);
  }
  return -error;
}

Result<void> result_of(int err, const char* what) {
  return err == 0 ? Result<void>() : Error::from_errno(err, what);
}

Result<UniqueFd> open_socket(int protocol, const char* what) {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  return socket ? Result<UniqueFd>(std::move(socket)) : Error::from_errno(errno, what);
}

}  // namespace

Result<UniqueFd> open_netfilter_socket() {
  return open_socket(NETLINK_NETFILTER, "open a netfilter socket");
}

Result<UniqueFd> open_sock_diag_socket() {
  return open_socket(NETLINK_SOCK_DIAG, "open a sock_diag socket");
}

Result<void> list(int socket, std::span<const std::byte> request, const char* what,
                  const std::function<void(const nlmsghdr*)>& take) {
  if (::send(socket, request.data(), request.size(), 0) < 0) {
    return Error::from_errno(errno, what);
  }
  alignas(nlmsghdr) std::array<std::byte, 32768> buffer;  // NOLINT(*-member-init): filled below
  while (true) {
    const ssize_t size = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size <= 0) {
      return Error::from_errno(size < 0 ? errno : EPROTO, what);
    }
    auto remaining = static_cast<int>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, remaining) != 0;
         header = nlmsg_next(header, &remaining)) {
      if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
        return result_of(error_in(header), what);
      }
      take(header);
    }
  }
}

Result<void> change(int socket, std::span<const std::byte> request, const char* what) {
  alignas(nlmsghdr) std::array<std::byte, 4096> answer;  // NOLINT(*-member-init): filled below
  if (::send(socket, request.data(), request.size(), 0) < 0) {
    return Error::from_errno(errno, what);
  }
  const ssize_t size = ::recv(socket, answer.data(), answer.size(), 0);
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (size < 0 || nlmsg_ok(header, static_cast<int>(size)) == 0 || header->nlmsg_type != NLMSG_ERROR) {
    return Error::from_errno(size < 0 ? errno : EPROTO, what);
  }
  return result_of(error_in(header), what);
}

}  // namespace msi2imds::netlink
