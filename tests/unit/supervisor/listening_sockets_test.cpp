// SPDX-License-Identifier: MIT
#include "supervisor/listening_sockets.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/log.hpp"
#include "support_cpp/sockets.hpp"

namespace msi2imds::supervisor {
namespace {

class ListeningSocketsTest : public testing::Test {
 protected:
  static std::vector<UniqueFd> vector_of(UniqueFd fd) {
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(fd));
    return fds;
  }
  static bool accepts(const SocketAddress& address) {
    const UniqueFd client(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::connect(client.get(), address.get(), address.size()) == 0;
  }
  static bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
  }
  // What construction from these descriptors writes to the log.
  static std::string warnings_about(UniqueFd inherited) {
    testing::internal::CaptureStderr();
    log::start({}, "test");
    const ListeningSockets sockets(vector_of(std::move(inherited)));
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(ListeningSocketsTest, ListensOnEachAddress) {
  ListeningSockets sockets({});
  const auto listeners =
      sockets.open({SocketAddress::ipv4_loopback(0), *SocketAddress::parse("127.0.0.2", 0)});
  ASSERT_TRUE(listeners);
  ASSERT_EQ(listeners->size(), 2U);
  for (const auto& listener : *listeners) {
    const auto address = SocketAddress::local_of(listener.fd);
    ASSERT_TRUE(address);
    EXPECT_TRUE(accepts(*address)) << address->to_string();
  }
}

TEST_F(ListeningSocketsTest, GivesTheSameSocketWhenOpenedTwice) {
  ListeningSockets sockets({});
  const auto first = sockets.open({SocketAddress::ipv4_loopback(0)});
  const auto second = sockets.open({SocketAddress::ipv4_loopback(0)});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->at(0).fd, second->at(0).fd);
}

TEST_F(ListeningSocketsTest, OpensSocketsThatNeitherBlockNorAreInherited) {
  ListeningSockets sockets({});
  const auto listeners = sockets.open({SocketAddress::ipv4_loopback(0)});
  ASSERT_TRUE(listeners);
  EXPECT_NE(::fcntl(listeners->at(0).fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(::fcntl(listeners->at(0).fd, F_GETFD), FD_CLOEXEC);
}

TEST_F(ListeningSocketsTest, SaysWhichAddressIsTaken) {
  const UniqueFd holder = support::listen_on_loopback();
  const SocketAddress address = support::address_of(holder);
  ListeningSockets sockets({});
  const auto listeners = sockets.open({address});
  ASSERT_FALSE(listeners);
  EXPECT_EQ(listeners.error().message(), "listen on " + address.to_string() + ": Address already in use");
}

TEST_F(ListeningSocketsTest, UsesAnInheritedSocketOfThatAddress) {
  UniqueFd inherited = support::listen_on_loopback();
  const int fd = inherited.get();
  const SocketAddress address = support::address_of(inherited);
  ListeningSockets sockets(vector_of(std::move(inherited)));
  const auto listeners = sockets.open({address});
  ASSERT_TRUE(listeners);
  EXPECT_EQ(listeners->at(0).fd, fd);
}

TEST_F(ListeningSocketsTest, MakesAnInheritedSocketNonBlocking) {
  UniqueFd inherited = support::listen_on_loopback();
  const int fd = inherited.get();
  ASSERT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
  const ListeningSockets sockets(vector_of(std::move(inherited)));
  EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(ListeningSocketsTest, LeavesAnInheritedSocketOfAnotherAddressAlone) {
  UniqueFd inherited = support::listen_on_loopback();
  const int fd = inherited.get();
  ListeningSockets sockets(vector_of(std::move(inherited)));
  const auto listeners = sockets.open({*SocketAddress::parse("127.0.0.2", 0)});
  ASSERT_TRUE(listeners);
  EXPECT_NE(listeners->at(0).fd, fd);
  EXPECT_TRUE(is_open(fd));
}

TEST_F(ListeningSocketsTest, RefusesADescriptorThatIsNoListeningTcpSocket) {
  UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  UniqueFd idle(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (UniqueFd* socket : {&udp, &idle}) {
    const int fd = socket->get();
    EXPECT_NE(warnings_about(std::move(*socket)).find("it is no listening TCP socket"), std::string::npos);
    EXPECT_FALSE(is_open(fd));
  }
}

TEST_F(ListeningSocketsTest, RefusesADescriptorThatIsNoSocket) {
  UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::string warning = warnings_about(std::move(file));
  EXPECT_NE(warning.find("ignored inherited descriptor"), std::string::npos) << warning;
}

TEST_F(ListeningSocketsTest, ClosesWhatIsNotWantedAnyMore) {
  ListeningSockets sockets({});
  const auto all = sockets.open({SocketAddress::ipv4_loopback(0), *SocketAddress::parse("127.0.0.2", 0)});
  ASSERT_TRUE(all);
  sockets.keep_only({all->at(1)});
  EXPECT_FALSE(is_open(all->at(0).fd));
  EXPECT_TRUE(is_open(all->at(1).fd));
}

TEST_F(ListeningSocketsTest, KeepsAnInheritedSocketForLater) {
  UniqueFd inherited = support::listen_on_loopback();
  const int fd = inherited.get();
  ListeningSockets sockets(vector_of(std::move(inherited)));
  sockets.keep_only({});
  EXPECT_TRUE(is_open(fd));
}

TEST_F(ListeningSocketsTest, ServesWhatIsHeldOnTheLoopbackWhoeverLedCallersThere) {
  const UniqueFd any(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::listen(any.get(), 1), 0);  // on 0.0.0.0: not for us to open to the network
  UniqueFd held = support::listen_on_loopback();
  const int fd = held.get();
  std::vector<UniqueFd> inherited = vector_of(std::move(held));
  inherited.emplace_back(::dup(any.get()));
  ListeningSockets sockets(std::move(inherited));
  const auto own = sockets.open({SocketAddress::ipv4_loopback(0)});
  ASSERT_TRUE(own);
  EXPECT_EQ(sockets.to_serve(*own), (std::vector<int>{own->at(0).fd, fd}));
  const auto both = sockets.open({*SocketAddress::local_of(fd)});
  ASSERT_TRUE(both);
  EXPECT_EQ(sockets.to_serve(*both), std::vector<int>{fd}) << "each of them once";
}

TEST_F(ListeningSocketsTest, ClosesEverythingAtTheEnd) {
  UniqueFd inherited = support::listen_on_loopback();
  const int fd = inherited.get();
  ListeningSockets sockets(vector_of(std::move(inherited)));
  const auto own = sockets.open({SocketAddress::ipv4_loopback(0)});
  ASSERT_TRUE(own);
  sockets.close_all();
  EXPECT_FALSE(is_open(fd));
  EXPECT_FALSE(is_open(own->at(0).fd));
}

TEST_F(ListeningSocketsTest, TurnsAwayWhoWaitsInAnInheritedSocketAndClosesItsOwn) {
  UniqueFd inherited = support::listen_on_loopback();
  const int fd = inherited.get();
  const SocketAddress address = support::address_of(inherited);
  ListeningSockets sockets(vector_of(std::move(inherited)));
  const auto own = sockets.open({SocketAddress::ipv4_loopback(0)});
  ASSERT_TRUE(own);
  const UniqueFd caller(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(caller.get(), address.get(), address.size()), 0);

  sockets.turn_callers_away();
  pollfd waiting{.fd = caller.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&waiting, 1, 10000), 1);
  char byte = 0;
  EXPECT_LE(::recv(caller.get(), &byte, 1, 0), 0);
  sockets.close_own();
  EXPECT_TRUE(is_open(fd));
  EXPECT_FALSE(is_open(own->at(0).fd));
}

}  // namespace
}  // namespace msi2imds::supervisor
