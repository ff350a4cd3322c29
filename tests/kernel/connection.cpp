// SPDX-License-Identifier: MIT
#include "kernel/connection.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

namespace msi2imds::kernel {
namespace {

// connect() can be done before the connection stands in the backlog.
constexpr int kOnItsWayMilliseconds = 100;
constexpr int kResentMilliseconds = 10'000;
constexpr timeval kPatience{.tv_sec = 5, .tv_usec = 0};

bool passes(const UniqueFd& from, const UniqueFd& to) {
  char byte = 0;
  return ::send(from.get(), "x", 1, MSG_NOSIGNAL) == 1 && ::recv(to.get(), &byte, 1, 0) == 1;
}

void wait_only_so_long(const UniqueFd& socket) {
  EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience), 0);
  EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience), 0);
}

}  // namespace

Dialled dial(const std::string& address, std::uint16_t port) {
  const auto to = SocketAddress::parse(address, port);
  EXPECT_TRUE(to) << address;
  Dialled dialled;
  dialled.socket.reset(::socket(to->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  wait_only_so_long(dialled.socket);
  if (::connect(dialled.socket.get(), to->get(), to->size()) != 0) {
    dialled.error = errno;
  }
  return dialled;
}

UniqueFd begin_to_dial(const std::string& address, std::uint16_t port) {
  const auto to = SocketAddress::parse(address, port);
  EXPECT_TRUE(to) << address;
  UniqueFd client(::socket(to->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  EXPECT_EQ(::connect(client.get(), to->get(), to->size()), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  return client;
}

int outcome_of(const UniqueFd& client) {
  pollfd waited{.fd = client.get(), .events = POLLOUT, .revents = 0};
  int error = 0;
  socklen_t size = sizeof error;
  if (::poll(&waited, 1, kResentMilliseconds) == 0) {
    return ETIMEDOUT;
  }
  EXPECT_EQ(::getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &size), 0);
  return error;
}

UniqueFd listen_on(const std::string& address, std::uint16_t port, int backlog) {
  const auto on = SocketAddress::parse(address, port);
  EXPECT_TRUE(on) << address;
  UniqueFd fd(::socket(on->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;  // the connections of an earlier test may still be in TIME_WAIT
  EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
  EXPECT_EQ(::bind(fd.get(), on->get(), on->size()), 0) << on->to_string();
  EXPECT_EQ(::listen(fd.get(), backlog), 0);
  return fd;
}

UniqueFd accept_from(const std::vector<int>& listeners) {
  std::vector<pollfd> waited;
  waited.reserve(listeners.size());
  for (const int listener : listeners) {
    waited.push_back({.fd = listener, .events = POLLIN, .revents = 0});
  }
  (void)::poll(waited.data(), waited.size(), kOnItsWayMilliseconds);
  for (const int listener : listeners) {
    UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (fd) {
      wait_only_so_long(fd);
      return fd;
    }
  }
  return {};
}

UniqueFd accept_from(int listener) {
  return accept_from(std::vector{listener});
}

std::string peer_of(const UniqueFd& socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  EXPECT_EQ(::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size), 0);
  return SocketAddress::from_sockaddr(storage, size).to_string();
}

bool is_alive(const UniqueFd& client, const UniqueFd& server) {
  return passes(client, server) && passes(server, client);
}

}  // namespace msi2imds::kernel
