// SPDX-License-Identifier: MIT
#include "supervisor/listening_sockets.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <utility>

#include "base/log.hpp"
#include "supervisor/still_accepts.hpp"
#include "support_cpp/sockets.hpp"
#include "support_cpp/temporary_directory.hpp"

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
  // As from a service manager, which binds to the very port that its unit names.
  static UniqueFd listen_on_a_named_port() {
    const int on = 1;
    const UniqueFd holder(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress any = SocketAddress::ipv4_loopback(0);
    EXPECT_EQ(::setsockopt(holder.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    EXPECT_EQ(::bind(holder.get(), any.get(), any.size()), 0);
    const SocketAddress address = support::address_of(holder);
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    EXPECT_EQ(::bind(fd.get(), address.get(), address.size()), 0);
    EXPECT_EQ(::listen(fd.get(), support::kBacklog), 0);
    return fd;
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

// The kernel says twice what was asked for.
void expect_small_buffers(int socket) {
  for (const auto& [option, most] : {std::pair(SO_RCVBUF, 16384), std::pair(SO_SNDBUF, 8192)}) {
    int size = 0;
    socklen_t size_of_size = sizeof size;
    ASSERT_EQ(::getsockopt(socket, SOL_SOCKET, option, &size, &size_of_size), 0);
    EXPECT_LE(size, most);
  }
}

TEST_F(ListeningSocketsTest, GivesConnectionsSmallBuffers) {
  UniqueFd inherited = support::listen_on_loopback();
  const SocketAddress address = support::address_of(inherited);
  ListeningSockets sockets(vector_of(std::move(inherited)));
  const auto listeners = sockets.open({address, SocketAddress::ipv4_loopback(0)});
  ASSERT_TRUE(listeners);
  for (const auto& listener : *listeners) {
    expect_small_buffers(listener.fd);
  }
}

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
  const std::string message = listeners.error().message();
  EXPECT_TRUE(message.starts_with("listen on " + address.to_string() + " (another program listens there: "));
  EXPECT_TRUE(message.ends_with(": Address already in use")) << message;
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

TEST_F(ListeningSocketsTest, ReplacesASocketThatWasShutDown) {
  ListeningSockets sockets({});
  const auto address = *SocketAddress::parse("127.0.0.3", 0);
  const auto first = sockets.open({SocketAddress::ipv4_loopback(0), address});
  ASSERT_TRUE(first);
  EXPECT_TRUE(sockets.replace_dead().empty());
  ASSERT_EQ(::shutdown(first->at(1).fd, SHUT_RDWR), 0);
  const auto replaced = sockets.replace_dead();
  ASSERT_EQ(replaced.size(), 1U);
  EXPECT_EQ(replaced.front(), address);
  const auto now = sockets.open({SocketAddress::ipv4_loopback(0), address});
  ASSERT_TRUE(now);
  EXPECT_EQ(now->at(0).fd, first->at(0).fd) << "the other one stays";
  EXPECT_TRUE(still_accepts(now->at(1).fd));
}

TEST_F(ListeningSocketsTest, ReplacesASocketThatWasConnectedElsewhere) {
  const UniqueFd other = support::listen_on_loopback();
  const SocketAddress elsewhere = support::address_of(other);
  ListeningSockets sockets({});
  const auto listeners = sockets.open({SocketAddress::ipv4_loopback(0)});
  ASSERT_TRUE(listeners);
  ASSERT_EQ(::shutdown(listeners->front().fd, SHUT_RDWR), 0);
  (void)::connect(listeners->front().fd, elsewhere.get(), elsewhere.size());
  EXPECT_EQ(sockets.replace_dead().size(), 1U);
  EXPECT_TRUE(sockets.replace_dead().empty());
}

TEST_F(ListeningSocketsTest, ListensAgainOnASocketThatTheServiceManagerHoldsAsWell) {
  UniqueFd inherited = listen_on_a_named_port();
  const UniqueFd of_the_manager(::fcntl(inherited.get(), F_DUPFD_CLOEXEC, 0));
  const SocketAddress address = support::address_of(inherited);
  ListeningSockets sockets(vector_of(std::move(inherited)));
  ASSERT_EQ(::shutdown(of_the_manager.get(), SHUT_RDWR), 0);
  EXPECT_FALSE(accepts(address));
  EXPECT_EQ(sockets.replace_dead().size(), 1U);
  EXPECT_TRUE(accepts(address));
  EXPECT_TRUE(still_accepts(of_the_manager.get()));
  EXPECT_TRUE(sockets.is_held_by_others(address));
}

TEST_F(ListeningSocketsTest, ReplacesAnInheritedSocketWhosePortTheKernelHasGivenAway) {
  UniqueFd inherited = support::listen_on_loopback();
  const SocketAddress address = support::address_of(inherited);
  const int fd = inherited.get();
  ListeningSockets sockets(vector_of(std::move(inherited)));
  ASSERT_EQ(::shutdown(fd, SHUT_RDWR), 0);
  EXPECT_EQ(sockets.replace_dead().size(), 1U);
  EXPECT_TRUE(accepts(address));
  EXPECT_FALSE(sockets.is_held_by_others(address));
}

TEST(StillAccepts, KnowsUnixSocketsThatWereShutDown) {
  const support::TemporaryDirectory directory;
  const UniqueFd socket = support::listen_on_path(directory.file("socket"));
  EXPECT_TRUE(still_accepts(socket.get()));
  ASSERT_EQ(::shutdown(socket.get(), SHUT_RD), 0);
  EXPECT_FALSE(still_accepts(socket.get()));
}

TEST(StillAccepts, IsFalseForWhatDoesNotListen) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_FALSE(still_accepts(socket.get()));
  EXPECT_FALSE(still_accepts(-1));
}

}  // namespace
}  // namespace msi2imds::supervisor
