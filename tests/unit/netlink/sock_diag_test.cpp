// SPDX-License-Identifier: MIT
#include "netlink/sock_diag.hpp"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <iostream>

#include "netlink/errors.hpp"
#include "unit/netlink/loopback_connection.hpp"

namespace msi2imds::netlink {
namespace {

struct stat stat_of(const UniqueFd& fd) {
  struct stat status {};
  require(::fstat(fd.get(), &status) == 0, "fstat");
  return status;
}

std::uint64_t cookie_of(const UniqueFd& fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  require(::getsockopt(fd.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0, "SO_COOKIE");
  return cookie;
}

class SockDiagTest : public testing::Test {
 protected:
  // The client's socket as the kernel gives it, or an error, for a client that dialled `local`.
  Result<ClientSocket> find(const LoopbackConnection& connection) {
    return sock_diag_.find(connection.peer, connection.local);
  }

  void expect_finds_the_client(const LoopbackConnection& connection) {
    const auto found = find(connection);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->inode, stat_of(connection.client).st_ino);
    EXPECT_EQ(found->uid, stat_of(connection.client).st_uid);
    EXPECT_EQ(found->cookie, cookie_of(connection.client));
    EXPECT_EQ(found->state, TCP_ESTABLISHED);
  }

  SockDiag sock_diag_{*SockDiag::open_socket()};
};

TEST_F(SockDiagTest, FindsTheClientsSocketAndNotTheServers) {
  expect_finds_the_client(LoopbackConnection("127.0.0.1"));
}

TEST_F(SockDiagTest, FindsAClientOfAnotherLoopbackAddress) {
  expect_finds_the_client(LoopbackConnection("127.9.9.9"));
}

TEST_F(SockDiagTest, FindsAnIpv6Client) {
  expect_finds_the_client(LoopbackConnection("::1"));
}

TEST_F(SockDiagTest, FindsAClientThatDialledAMappedAddress) {
  expect_finds_the_client(LoopbackConnection("127.0.0.1", "::ffff:127.0.0.1"));
}

TEST_F(SockDiagTest, FindsAClientOfAServerThatSeesMappedAddresses) {
  const LoopbackConnection connection("::", "127.0.0.1");
  ASSERT_EQ(connection.peer.family(), AF_INET6);
  expect_finds_the_client(connection);
}

TEST_F(SockDiagTest, FindsAClientThatIsBoundToTheLoopback) {
  UniqueFd client = tcp_socket(AF_INET);
  if (::setsockopt(client.get(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) != 0) {
    GTEST_SKIP() << "binding to a device needs privilege on this kernel";
  }
  expect_finds_the_client(LoopbackConnection(std::move(client)));
}

TEST_F(SockDiagTest, TellsTheTwoEndsApart) {
  const LoopbackConnection connection;
  const auto other_end = sock_diag_.find(connection.local, connection.peer);
  ASSERT_TRUE(other_end);
  EXPECT_EQ(other_end->inode, stat_of(connection.accepted).st_ino);
}

TEST_F(SockDiagTest, SaysWhichConnectionIsNotThere) {
  const LoopbackConnection connection;
  const auto elsewhere = *SocketAddress::parse("127.0.0.2", connection.local.port());
  const auto found = sock_diag_.find(connection.peer, elsewhere);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Errc::no_such_socket);
  EXPECT_EQ(found.error().message(), "find socket " + connection.peer.to_string() + " to " +
                                         elsewhere.to_string() + ": no such connection on this host");
}

TEST_F(SockDiagTest, DoesNotTakeAListenerForAClient) {
  const LoopbackConnection connection;
  const auto found = sock_diag_.find(connection.local, SocketAddress::ipv4_loopback(1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Errc::other_socket);
}

TEST_F(SockDiagTest, ShowsThatAClientHasLeft) {
  LoopbackConnection connection;
  connection.client.reset();
  const auto found = find(connection);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->inode, 0U);
}

TEST_F(SockDiagTest, RefusesAddressesOfTwoFamilies) {
  const auto found = sock_diag_.find(SocketAddress::ipv4_loopback(1), SocketAddress::ipv6_loopback(1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code().value(), EAFNOSUPPORT);
}

TEST_F(SockDiagTest, RefusesWhatIsNoInternetAddress) {
  const auto found = sock_diag_.find(SocketAddress(), SocketAddress());
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code().value(), EAFNOSUPPORT);
}

TEST_F(SockDiagTest, FailsWithoutASocket) {
  SockDiag none{UniqueFd()};
  const auto found = none.find(SocketAddress::ipv4_loopback(1), SocketAddress::ipv4_loopback(2));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code().value(), EBADF);
}

// Sends `count` questions for a connection that is not the one looked for, and leaves the answers unread.
void ask_and_forget(const UniqueFd& socket, const LoopbackConnection& connection, int count) {
  const Question question =
      make_question(to_endpoint(connection.peer), to_endpoint(connection.local), 1'000'000);
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(::send(socket.get(), &question, sizeof question, 0), sizeof question);
  }
}

TEST_F(SockDiagTest, IgnoresAnswersToEarlierQuestions) {
  const LoopbackConnection connection;
  const LoopbackConnection other;
  UniqueFd socket = *SockDiag::open_socket();
  ask_and_forget(socket, other, 3);
  sock_diag_ = SockDiag(std::move(socket));
  expect_finds_the_client(connection);
}

TEST_F(SockDiagTest, RecoversFromAFullQueue) {
  const LoopbackConnection connection;
  const LoopbackConnection other;
  UniqueFd socket = *SockDiag::open_socket();
  ask_and_forget(socket, other, 2000);
  sock_diag_ = SockDiag(std::move(socket));
  expect_finds_the_client(connection);
}

TEST_F(SockDiagTest, FindsManyThatWereAskedForAtOnce) {
  const std::array<LoopbackConnection, 3> connections;
  const auto ends_of = [](const LoopbackConnection& connection) {
    return SockDiag::Ends(connection.peer, connection.local);
  };
  const auto nobody = SocketAddress::ipv4_loopback(0);
  sock_diag_.ask_ahead(std::array{ends_of(connections[0]), SockDiag::Ends(nobody, nobody),
                                  ends_of(connections[1]), ends_of(connections[2])});
  expect_finds_the_client(connections[0]);
  EXPECT_FALSE(sock_diag_.find(nobody, nobody));
  expect_finds_the_client(connections[1]);
  expect_finds_the_client(connections[2]);
  expect_finds_the_client(connections[0]);
}

TEST_F(SockDiagTest, FindsWhomItIsAskedForWhateverWasAskedForAhead) {
  const std::array<LoopbackConnection, 3> connections;
  sock_diag_.ask_ahead(std::array{SockDiag::Ends(connections[0].peer, connections[0].local),
                                  SockDiag::Ends(connections[1].peer, connections[1].local)});
  expect_finds_the_client(connections[2]);
  expect_finds_the_client(connections[0]);
  expect_finds_the_client(connections[1]);
}

// A SockDiag that talks to the test.
class SilentKernelTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    kernel_ = UniqueFd(ends[0]);
    sock_diag_ = SockDiag(UniqueFd(ends[1]));
  }

  std::uint32_t next_sequence() {
    Question question{};
    require(::recv(kernel_.get(), &question, sizeof question, MSG_DONTWAIT) == sizeof question, "recv");
    return question.header.nlmsg_seq;
  }

  UniqueFd kernel_;
  SockDiag sock_diag_{UniqueFd()};
};

TEST_F(SilentKernelTest, IsNotWaitedFor) {
  const auto found = sock_diag_.find(SocketAddress::ipv4_loopback(1), SocketAddress::ipv4_loopback(2));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Errc::no_answer);
}

TEST_F(SilentKernelTest, IsAskedForManyInOneMessage) {
  const SockDiag::Ends ends(SocketAddress::ipv4_loopback(1), SocketAddress::ipv4_loopback(2));
  sock_diag_.ask_ahead(std::array{ends, ends, ends});
  std::array<Question, 4> questions{};
  EXPECT_EQ(::recv(kernel_.get(), questions.data(), sizeof questions, MSG_DONTWAIT), 3 * sizeof(Question));
  const auto found = sock_diag_.find(ends.first, ends.second);  // its answer was lost
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Errc::no_answer);
  EXPECT_NE(next_sequence(), questions[2].header.nlmsg_seq) << "it is asked for again";
}

TEST_F(SilentKernelTest, IsAskedTwiceUnderDifferentNumbers) {
  (void)sock_diag_.find(SocketAddress::ipv4_loopback(1), SocketAddress::ipv4_loopback(2));
  const std::uint32_t first = next_sequence();
  EXPECT_NE(next_sequence(), first);
}

UniqueFd user_netlink_socket() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK));
  require(static_cast<bool>(fd), "socket");
  const sockaddr_nl any{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
  require(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0, "bind");
  return fd;
}

void connect_to(const UniqueFd& from, const UniqueFd& to) {
  const auto address = *SocketAddress::local_of(to.get());
  require(::connect(from.get(), address.get(), address.size()) == 0, "connect");
}

TEST_F(SockDiagTest, BelievesNoProcessThatAnswersInTheKernelsPlace) {
  const LoopbackConnection connection;
  const Question question = make_question(to_endpoint(connection.peer), to_endpoint(connection.local), 1);
  const UniqueFd kernel = *SockDiag::open_socket();
  ASSERT_EQ(::send(kernel.get(), &question, sizeof question, 0), sizeof question);
  std::array<char, 1024> answer{};
  const ssize_t size = ::recv(kernel.get(), answer.data(), answer.size(), MSG_DONTWAIT);
  ASSERT_GT(size, 0);

  UniqueFd asking = user_netlink_socket();
  const UniqueFd forger = user_netlink_socket();
  connect_to(asking, forger);
  connect_to(forger, asking);
  ASSERT_EQ(::send(forger.get(), answer.data(), static_cast<std::size_t>(size), 0), size);
  SockDiag deceived(std::move(asking));
  const auto found = deceived.find(connection.peer, connection.local);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Errc::no_answer);
}

TEST_F(SockDiagTest, KeepsAnsweringAndSaysHowFast) {
  constexpr int kLookups = 2000;
  const LoopbackConnection connection;
  const ino_t inode = stat_of(connection.client).st_ino;
  int found = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kLookups; ++i) {
    const auto socket = find(connection);
    found += socket && socket->inode == inode ? 1 : 0;
  }
  const std::chrono::duration<double, std::micro> elapsed = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(found, kLookups);
  std::cout << "one lookup takes " << elapsed.count() / kLookups << " us\n";
}

}  // namespace
}  // namespace msi2imds::netlink
