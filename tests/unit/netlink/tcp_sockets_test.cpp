// SPDX-License-Identifier: MIT
#include "netlink/tcp_sockets.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "support_cpp/sockets.hpp"

namespace msi2imds::netlink {
namespace {

constexpr std::uint16_t kNoPort = 1;

// A client and its server, on the loopback.
class ConnectionsToNobodyTest : public testing::Test {
 protected:
  ConnectionsToNobodyTest() {
    EXPECT_EQ(::connect(client_.get(), address_.get(), address_.size()), 0);
    server_ = UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(server_);
  }

  [[nodiscard]] std::vector<TcpSocket> found() const {
    const SocketAddress own = *SocketAddress::local_of(client_.get());
    auto sockets = connections_to_nobody({address_.port()}, kNoPort);
    EXPECT_TRUE(sockets);
    std::erase_if(*sockets, [&own](const TcpSocket& socket) { return socket.local != own; });
    return *sockets;
  }

  // Ends the server's side in a way that the client does not learn of. False: only root can.
  bool lose_server() {
    const int on = 1;
    const bool can = ::setsockopt(server_.get(), SOL_TCP, TCP_REPAIR, &on, sizeof on) == 0;
    server_.reset();
    return can;
  }

  UniqueFd listener_ = support::listen_on_loopback();
  SocketAddress address_ = support::address_of(listener_);
  UniqueFd client_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  UniqueFd server_;
};

TEST_F(ConnectionsToNobodyTest, AreNotThoseThatAreServed) {
  EXPECT_TRUE(found().empty());
}

TEST_F(ConnectionsToNobodyTest, AreNotThoseThatWereEnded) {
  server_.reset();
  EXPECT_TRUE(found().empty());
}

TEST_F(ConnectionsToNobodyTest, AreFoundAndCanBeAborted) {
  if (!lose_server()) {
    GTEST_SKIP() << "only root can";
  }
  const std::vector<TcpSocket> lost = found();
  ASSERT_EQ(lost.size(), 1U);
  const Result<void> aborted = abort_connection(lost[0]);
  if (!aborted && aborted.error().code() == boost::system::errc::operation_not_supported) {
    GTEST_SKIP() << "the kernel cannot";
  }
  ASSERT_TRUE(aborted) << aborted.error().message();
  char byte = 0;
  EXPECT_EQ(::recv(client_.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNABORTED);
  EXPECT_EQ(abort_connection(lost[0]).error().code(), boost::system::errc::no_such_file_or_directory);
}

}  // namespace
}  // namespace msi2imds::netlink
