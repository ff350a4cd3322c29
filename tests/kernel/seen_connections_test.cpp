// SPDX-License-Identifier: MIT
#include "caller/seen_connections.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/connection.hpp"
#include "kernel/namespace.hpp"
#include "kernel/plan.hpp"
#include "kernel/scratch_cgroup.hpp"
#include "loader/cgroup.hpp"
#include "netlink/syn.hpp"
#include "observer/observer.hpp"

namespace msi2imds::kernel {
namespace {

using caller::Handshake;

constexpr int kPatienceMilliseconds = 10'000;
constexpr uid_t kSomebody = 1001;
constexpr std::uint16_t kSlots = 2048;  // ports so far from each other have the same place

// Both ends of a connection, as its acceptor knows it.
struct Connection {
  UniqueFd client;
  UniqueFd server;
  Handshake handshake;
};

// A client with this port of its own, which it can have again at once.
UniqueFd client_at(std::uint16_t port) {
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  const SocketAddress own = SocketAddress::ipv4_loopback(port);
  EXPECT_EQ(::setsockopt(client.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
  EXPECT_EQ(::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  EXPECT_EQ(::bind(client.get(), own.get(), own.size()), 0);
  return client;
}

bool connects(const UniqueFd& client) {
  const SocketAddress server = SocketAddress::ipv4_loopback(kPort);
  return ::connect(client.get(), server.get(), server.size()) == 0;
}

// Refused is who comes while the kernel is still at the connection that had this port before.
UniqueFd dial_from(std::uint16_t port) {
  for (;;) {
    UniqueFd client = client_at(port);
    if (connects(client)) {
      return client;
    }
    if (errno != ECONNREFUSED) {
      return {};
    }
  }
}

class SeenConnectionsTest : public testing::Test {
 protected:
  void SetUp() override {
    observer::Plan plan;
    plan.legacy_ports = {kPort};
    plan.cgroup = ScratchCgroup::path().empty() ? "/" : ScratchCgroup::path();
    plan.can_note_connections = true;
    auto attached = observer::Observer::attach(plan);
    ASSERT_TRUE(attached) << attached.error().message();
    observer_.emplace(std::move(*attached));
    if (!observer_->note_connections()) {
      GTEST_SKIP() << "this kernel notes no connections (before 5.15)";
    }
    const UniqueFd array(::dup(observer_->noted_connections()));
    auto mapped = caller::SeenConnections::map(array);
    ASSERT_TRUE(mapped) << mapped.error().message();
    seen_.emplace(std::move(*mapped));
  }

  UniqueFd listen(const std::string& address) {
    UniqueFd listener = listen_on(address, kPort);
    const int on = 1;
    EXPECT_EQ(::setsockopt(listener.get(), IPPROTO_TCP, TCP_SAVE_SYN, &on, sizeof on), 0);
    return listener;
  }

  static std::optional<Handshake> accept(const UniqueFd& listener, UniqueFd& server) {
    pollfd arrival{.fd = listener.get(), .events = POLLIN, .revents = 0};
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    server.reset(::poll(&arrival, 1, kPatienceMilliseconds) == 1
                     ? ::accept(listener.get(), reinterpret_cast<sockaddr*>(&peer), &size)
                     : -1);
    const auto syn = netlink::take_syn(server.get());
    if (!syn) {
      return std::nullopt;
    }
    return Handshake{.client = SocketAddress::from_sockaddr(peer, size),
                     .server = syn->destination,
                     .first_sequence = syn->first_sequence};
  }

  Connection connect(const UniqueFd& listener, const std::string& address) {
    Dialled dialled = dial(address, kPort);
    EXPECT_EQ(dialled.error, 0) << address;
    Connection connection{.client = std::move(dialled.socket), .server = {}, .handshake = {}};
    const auto handshake = accept(listener, connection.server);
    EXPECT_TRUE(handshake);
    connection.handshake = handshake.value_or(Handshake());
    EXPECT_EQ(connection.handshake.server, *SocketAddress::local_of(connection.server.get()));
    return connection;
  }

  // From the port that the next one is to have.
  static std::optional<Handshake> connect_and_leave(const UniqueFd& listener) {
    const UniqueFd client = dial_from(20000);
    UniqueFd server;
    return client ? accept(listener, server) : std::nullopt;
  }

  std::optional<observer::Observer> observer_;
  std::optional<caller::SeenConnections> seen_;
};

// In a child, which has ended when this returns; its process id.
template <typename Act>
pid_t in_child(Act act) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::_exit(act() ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  return pid;
}

TEST_F(SeenConnectionsTest, TellWhoDialledOfWhatWasAccepted) {
  const UniqueFd ipv4 = listen("127.0.0.1");
  const UniqueFd ipv6 = listen("::1");
  const std::vector<std::pair<const UniqueFd*, std::string>> cases = {
      {&ipv4, "127.0.0.1"}, {&ipv4, "0.0.0.0"}, {&ipv4, "::ffff:127.0.0.1"}, {&ipv6, "::1"}, {&ipv6, "::"}};
  for (const auto& [listener, address] : cases) {
    const Connection connection = connect(*listener, address);
    const auto seen = seen_->take(connection.handshake);
    ASSERT_TRUE(seen) << address;
    EXPECT_FALSE(seen_->take(connection.handshake)) << "it is good once";
    EXPECT_EQ(seen->clues.pid, ::getpid());
    EXPECT_EQ(seen->clues.uid, ::geteuid());
    EXPECT_EQ(seen->clues.agreement, caller::Agreement::agreed) << address;
    EXPECT_NE(seen->clues.started, 0);
    EXPECT_EQ(seen->dialled.port(), kPort);
    // The same as who asks for this socket is told.
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    ASSERT_EQ(::getsockopt(connection.client.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
    EXPECT_EQ(seen->clues.cookie, cookie);
    caller::Clues dialler = observer_->find(cookie)->clues;
    dialler.maker = seen->clues.maker;
    dialler.agreement = caller::Agreement::agreed;
    EXPECT_EQ(seen->clues, dialler);
  }
}

TEST_F(SeenConnectionsTest, TellNothingOfAConnectionWithAnotherBeginning) {
  const UniqueFd listener = listen("127.0.0.1");
  const Connection connection = connect(listener, "127.0.0.1");
  Handshake other = connection.handshake;
  ++other.first_sequence;
  EXPECT_FALSE(seen_->take(other));
  other = connection.handshake;
  other.server = *SocketAddress::parse("127.0.0.2", kPort);
  EXPECT_FALSE(seen_->take(other));
  other = connection.handshake;
  other.client = *SocketAddress::parse("127.0.0.2", other.client.port());
  EXPECT_FALSE(seen_->take(other));
  other = connection.handshake;
  other.client = SocketAddress::ipv4_loopback(static_cast<std::uint16_t>(other.client.port() ^ kSlots));
  EXPECT_FALSE(seen_->take(other));
  EXPECT_TRUE(seen_->take(connection.handshake));
}

TEST_F(SeenConnectionsTest, TellWhoseSocketAnotherHasConnected) {
  const UniqueFd listener = listen("127.0.0.1");
  const UniqueFd client = client_at(20000);
  const pid_t pid =
      in_child([&] { return ::setresuid(kSomebody, kSomebody, kSomebody) == 0 && connects(client); });
  UniqueFd server;
  const auto handshake = accept(listener, server);
  ASSERT_TRUE(handshake);
  const auto seen = seen_->take(*handshake);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->clues.pid, pid);
  EXPECT_EQ(seen->clues.uid, kSomebody);
  EXPECT_EQ(seen->clues.maker, 0U);
  EXPECT_EQ(seen->clues.agreement, caller::Agreement::another_user);
}

TEST_F(SeenConnectionsTest, TellOfTheSamePortsLaterConnectionWhoDialledThat) {
  const UniqueFd listener = listen("127.0.0.1");
  const std::optional<Handshake> first = connect_and_leave(listener);
  ASSERT_TRUE(first);
  const pid_t pid = in_child([&] { return static_cast<bool>(dial_from(20000)); });
  UniqueFd server;
  const auto second = accept(listener, server);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->client, first->client);
  EXPECT_FALSE(seen_->take(*first)) << "who asks late is not told of another";
  const auto seen = seen_->take(*second);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->clues.pid, pid);
}

TEST_F(SeenConnectionsTest, TellNothingOnceNobodySeesWhoDials) {
  const UniqueFd listener = listen("127.0.0.1");
  ASSERT_TRUE(connect_and_leave(listener));
  observer_.reset();
  const UniqueFd client = dial_from(20000);
  ASSERT_TRUE(client);
  UniqueFd server;
  const auto handshake = accept(listener, server);
  ASSERT_TRUE(handshake);
  EXPECT_FALSE(seen_->take(*handshake));
}

// As of one whose entry others have driven out: its connection takes the note of whoever had the port before.
TEST_F(SeenConnectionsTest, TellNothingOnceSomebodyHasConnectedWhoWasNotSeen) {
  const auto root = loader::open_cgroup("/");
  ASSERT_TRUE(root);
  const UniqueFd listener = listen("127.0.0.1");
  const std::optional<Handshake> first = connect_and_leave(listener);
  ASSERT_TRUE(first);
  (void)in_child([&] {
    const UniqueFd processes(::openat(root->get(), "cgroup.procs", O_WRONLY | O_CLOEXEC));
    return ::write(processes.get(), "0", 1) == 1 && dial_from(20000);
  });
  UniqueFd server;
  ASSERT_TRUE(accept(listener, server));
  EXPECT_FALSE(seen_->take(*first));
}

// Of a container, which has ports and a listener of its own.
TEST_F(SeenConnectionsTest, AreOfOurOwnNetworkAlone) {
  const UniqueFd listener = listen("127.0.0.1");
  const std::uint64_t before = observer_->count_established();
  (void)in_child([] {
    const bool is_elsewhere = static_cast<bool>(enter_new_network_namespace());
    const UniqueFd other = listen_on("127.0.0.1", kPort);
    return is_elsewhere && dial_from(20000);
  });
  EXPECT_EQ(observer_->count_established(), before);
  const std::optional<Handshake> own = connect_and_leave(listener);
  ASSERT_TRUE(own);
  EXPECT_EQ(observer_->count_established(), before + 1);
}

TEST_F(SeenConnectionsTest, TellNothingOfWhatWasThereBeforeOrIsDropped) {
  const UniqueFd listener = listen("127.0.0.1");
  const Connection before = connect(listener, "127.0.0.1");
  auto mapped = caller::SeenConnections::map(UniqueFd(::dup(observer_->noted_connections())));
  ASSERT_TRUE(mapped);
  EXPECT_FALSE(mapped->take(before.handshake));
  const Connection after = connect(listener, "127.0.0.1");
  mapped->drop(after.handshake.client.port());
  EXPECT_FALSE(mapped->take(after.handshake));
  EXPECT_TRUE(seen_->take(after.handshake)) << "each that has mapped it has its own";
}

// Two processes on two processors dial by turns from ports whose notes have the same place.
TEST_F(SeenConnectionsTest, NeverMixTwoWhoDialAtOnce) {
  constexpr int kRounds = 500;
  constexpr std::array<std::uint16_t, 2> kPorts = {20000, 20000 + kSlots};
  const UniqueFd listener = listen("127.0.0.1");
  std::array<pid_t, 2> pids{};
  for (std::size_t i = 0; i < pids.size(); ++i) {
    const uid_t uid = kSomebody + static_cast<uid_t>(i);
    pids[i] = ::fork();
    if (pids[i] == 0) {
      bool has_connected = ::setresuid(uid, uid, uid) == 0;
      for (int round = 0; has_connected && round < kRounds; ++round) {
        const UniqueFd client = dial_from(kPorts[i]);
        char nothing = 0;
        has_connected = client && ::read(client.get(), &nothing, 1) == 0;
      }
      ::_exit(has_connected ? 0 : 1);
    }
  }
  int found = 0;
  for (int round = 0; round < 2 * kRounds; ++round) {
    UniqueFd server;
    const auto handshake = accept(listener, server);
    ASSERT_TRUE(handshake);
    if (const auto seen = seen_->take(*handshake)) {
      ++found;
      const std::size_t i = handshake->client.port() == kPorts[0] ? 0 : 1;
      ASSERT_EQ(seen->clues.pid, pids[i]);
      ASSERT_EQ(seen->clues.uid, kSomebody + i);
      ASSERT_EQ(seen->clues.maker, kSomebody + i);
      ASSERT_EQ(seen->clues.agreement, caller::Agreement::agreed);
    }
  }
  EXPECT_GT(found, 0);
  for (const pid_t pid : pids) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
}

}  // namespace
}  // namespace msi2imds::kernel
