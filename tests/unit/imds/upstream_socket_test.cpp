// SPDX-License-Identifier: MIT
#include "imds/upstream_socket.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "support_cpp/sockets.hpp"

namespace msi2imds::imds {
namespace {

// The error with which connecting ended.
int outcome_of(const UniqueFd& socket) {
  pollfd waiting{.fd = socket.get(), .events = POLLOUT, .revents = 0};
  EXPECT_EQ(::poll(&waiting, 1, 10000), 1);
  int failure = -1;
  socklen_t size = sizeof failure;
  EXPECT_EQ(::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failure, &size), 0);
  return failure;
}

TEST(UpstreamSocketTest, ConnectsToTheEndpoint) {
  const UniqueFd listener = support::listen_on_loopback();
  const auto socket = begin_connect(support::address_of(listener), 0);
  ASSERT_TRUE(socket);
  EXPECT_EQ(outcome_of(*socket), 0);
}

TEST(UpstreamSocketTest, DoesNotWaitAndIsNotInherited) {
  const UniqueFd listener = support::listen_on_loopback();
  const auto socket = begin_connect(support::address_of(listener), 0);
  ASSERT_TRUE(socket);
  EXPECT_NE(::fcntl(socket->get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(::fcntl(socket->get(), F_GETFD), FD_CLOEXEC);
}

TEST(UpstreamSocketTest, SendsSmallRequestsAtOnce) {
  const UniqueFd listener = support::listen_on_loopback();
  const auto socket = begin_connect(support::address_of(listener), 0);
  ASSERT_TRUE(socket);
  int on = 0;
  socklen_t size = sizeof on;
  EXPECT_EQ(::getsockopt(socket->get(), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
  EXPECT_NE(on, 0);
}

int option_of(const UniqueFd& socket, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(socket.get(), level, name, &value, &size), 0);
  return value;
}

TEST(UpstreamSocketTest, NoticesThatTheOtherEndIsGone) {
  const UniqueFd listener = support::listen_on_loopback();
  const auto socket = begin_connect(support::address_of(listener), 0);
  ASSERT_TRUE(socket);
  EXPECT_EQ(option_of(*socket, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option_of(*socket, IPPROTO_TCP, TCP_KEEPIDLE), 5);
  EXPECT_EQ(option_of(*socket, IPPROTO_TCP, TCP_KEEPINTVL), 5);
  EXPECT_EQ(option_of(*socket, IPPROTO_TCP, TCP_USER_TIMEOUT), 10'000);
}

TEST(UpstreamSocketTest, SaysThatNobodyListens) {
  UniqueFd listener = support::listen_on_loopback();
  const SocketAddress address = support::address_of(listener);
  listener.reset();
  const auto socket = begin_connect(address, 0);
  EXPECT_EQ(socket ? outcome_of(*socket) : socket.error().code().value(), ECONNREFUSED);
}

}  // namespace
}  // namespace msi2imds::imds
