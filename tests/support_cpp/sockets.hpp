// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::support {

inline constexpr int kBacklog = 128;

inline UniqueFd listen_on(const SocketAddress& address) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  EXPECT_EQ(::bind(fd.get(), address.get(), address.size()), 0) << address.to_string();
  EXPECT_EQ(::listen(fd.get(), kBacklog), 0);
  return fd;
}

// On any free port of 127.0.0.1.
inline UniqueFd listen_on_loopback() {
  return listen_on(SocketAddress::ipv4_loopback(0));
}

inline UniqueFd listen_on_path(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << path;
  EXPECT_EQ(::listen(fd.get(), kBacklog), 0);
  return fd;
}

inline SocketAddress address_of(const UniqueFd& socket) {
  const auto address = SocketAddress::local_of(socket.get());
  EXPECT_TRUE(address);
  return *address;
}

inline std::ptrdiff_t count_open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

}  // namespace msi2imds::support
