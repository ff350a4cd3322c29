// SPDX-License-Identifier: MIT
#include "caller/caller.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/netlink/loopback_connection.hpp"

namespace msi2imds::caller {
namespace {

class CallerTest : public testing::Test {
 protected:
  Caller identify_peer_of(const LoopbackConnection& connection) {
    return identify(sock_diag_, connection.peer, connection.local);
  }

  static void expect_unknown(const Caller& caller, std::string_view reason) {
    EXPECT_FALSE(caller.clues.known_uid());
    EXPECT_EQ(caller.clues.inode, 0U);
    EXPECT_FALSE(caller.clues.has_cgroup_id);
    EXPECT_NE(caller.unknown_because.find(reason), std::string::npos) << caller.unknown_because;
  }

  netlink::SockDiag sock_diag_{*netlink::SockDiag::open_socket()};
};

TEST_F(CallerTest, KnowsTheOwnerOfAConnection) {
  const LoopbackConnection connection;
  struct stat status {};
  ASSERT_EQ(::fstat(connection.client.get(), &status), 0);

  const Caller caller = identify_peer_of(connection);
  EXPECT_EQ(caller.clues.known_uid(), ::geteuid());
  EXPECT_EQ(caller.clues.inode, status.st_ino);
  EXPECT_NE(caller.clues.cookie, 0U);
  EXPECT_EQ(caller.unknown_because, "");
}

TEST_F(CallerTest, KnowsAClientThatHasSentItsLastByte) {
  const LoopbackConnection connection;
  ASSERT_EQ(::shutdown(connection.client.get(), SHUT_WR), 0);
  EXPECT_EQ(identify_peer_of(connection).clues.known_uid(), ::geteuid());
}

TEST_F(CallerTest, DoesNotKnowAClientThatHasLeft) {
  LoopbackConnection connection;
  connection.client.reset();
  const Caller caller = identify_peer_of(connection);
  expect_unknown(caller, "the client has closed its socket");
  EXPECT_NE(caller.clues.cookie, 0U) << "by which the observer may know it";
}

TEST_F(CallerTest, DoesNotKnowAClientThatHasReset) {
  LoopbackConnection connection;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(connection.client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  connection.client.reset();
  expect_unknown(identify_peer_of(connection), "no such connection");
}

TEST_F(CallerTest, DoesNotKnowWhoDialledSomethingElse) {
  const LoopbackConnection connection;
  const auto dialled = *SocketAddress::parse("127.0.0.2", connection.local.port());
  expect_unknown(identify(sock_diag_, connection.peer, dialled), "no such connection");
}

TEST_F(CallerTest, DoesNotTakeTheOwnerOfAListenerOnTheClientsAddress) {
  const UniqueFd listener = listen_on("127.0.0.1");
  const auto client = *SocketAddress::local_of(listener.get());
  expect_unknown(identify(sock_diag_, client, SocketAddress::ipv4_loopback(1)),
                 "only a socket with other addresses was found");
}

// A client's port can be taken over once the client is gone.
TEST_F(CallerTest, DoesNotKnowASocketThatIsStillConnecting) {
  const UniqueFd full = listen_on("127.0.0.1", 0);
  const auto address = *SocketAddress::local_of(full.get());
  const UniqueFd queued = tcp_socket(AF_INET);
  ASSERT_EQ(::connect(queued.get(), address.get(), address.size()), 0);
  const UniqueFd connecting = tcp_socket(AF_INET, SOCK_NONBLOCK);
  ASSERT_EQ(::connect(connecting.get(), address.get(), address.size()), -1);

  const auto client = *SocketAddress::local_of(connecting.get());
  expect_unknown(identify(sock_diag_, client, address), "not connected (TCP state 2)");
}

TEST_F(CallerTest, DoesNotKnowAnyoneWithoutSockDiag) {
  netlink::SockDiag none{UniqueFd()};
  const LoopbackConnection connection;
  expect_unknown(identify(none, connection.peer, connection.local), "Bad file descriptor");
}

}  // namespace
}  // namespace msi2imds::caller
