// SPDX-License-Identifier: MIT
#include "supervisor/interception.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "support_cpp/run.hpp"
#include "support_cpp/sockets.hpp"

namespace msi2imds::supervisor {
namespace {

// With the backend that needs no privilege.
class InterceptionTest : public testing::Test {
 protected:
  InterceptionTest() {
    config_.redirect.backend = "listen";
    config_.legacy.ports = {free_port()};
  }

  static std::uint16_t free_port() {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress any = SocketAddress::ipv4_loopback(0);
    (void)::bind(socket.get(), any.get(), any.size());
    return SocketAddress::local_of(socket.get())->port();
  }
  template <typename T>
  auto wait_for(asio::awaitable<T> operation) {
    return support::run(io_, std::move(operation));
  }
  [[nodiscard]] static bool accepts(std::uint16_t port) {
    const SocketAddress address = SocketAddress::ipv4_loopback(port);
    const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::connect(client.get(), address.get(), address.size()) == 0;
  }
  [[nodiscard]] std::uint16_t port_of_first_socket() const {
    return SocketAddress::local_of(interception_.sockets().at(0))->port();
  }

  asio::io_context io_;
  config::Config config_;
  Interception interception_{io_, {}, [] {}};
};

TEST_F(InterceptionTest, TellsWhyNothingIsInForceYet) {
  ASSERT_TRUE(wait_for(interception_.prepare(config_)));
  const InterceptionState state = wait_for(interception_.describe());
  EXPECT_EQ(state.backend, "listen");
  EXPECT_FALSE(state.in_force);
  EXPECT_EQ(state.failure, "the responder has not started yet");
}

TEST_F(InterceptionTest, IsInForceOnceAttached) {
  ASSERT_TRUE(wait_for(interception_.prepare(config_)));
  ASSERT_TRUE(wait_for(interception_.attach()));
  const InterceptionState state = wait_for(interception_.describe());
  EXPECT_TRUE(state.in_force);
  EXPECT_EQ(state.failure, "");
}

TEST_F(InterceptionTest, ReloadsBeforeItIsAttached) {
  ASSERT_TRUE(wait_for(interception_.prepare(config_)));
  config_.legacy.ports = {free_port()};
  const Result<bool> reloaded = wait_for(interception_.reload(config_));
  ASSERT_TRUE(reloaded && *reloaded);
  EXPECT_EQ(port_of_first_socket(), config_.legacy.ports.front());
  const std::vector<int> handed_over = interception_.sockets();
  interception_.close_old_sockets();
  ASSERT_TRUE(wait_for(interception_.attach()));
  EXPECT_EQ(interception_.sockets(), handed_over) << "whoever accepts has other sockets than those in force";
  EXPECT_TRUE(accepts(config_.legacy.ports.front()));
}

TEST_F(InterceptionTest, KeepsTheOldWayWhenTheNewOneCannotBeHad) {
  ASSERT_TRUE(wait_for(interception_.prepare(config_)));
  ASSERT_TRUE(wait_for(interception_.attach()));
  const std::uint16_t old = config_.legacy.ports.front();
  const UniqueFd squatter(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress taken = SocketAddress::ipv4_loopback(free_port());
  ASSERT_EQ(::bind(squatter.get(), taken.get(), taken.size()), 0);
  ASSERT_EQ(::listen(squatter.get(), 1), 0);
  config_.legacy.ports = {taken.port()};
  EXPECT_FALSE(wait_for(interception_.reload(config_)));
  EXPECT_TRUE(wait_for(interception_.describe()).in_force);
  EXPECT_EQ(port_of_first_socket(), old);
}

TEST_F(InterceptionTest, ChangesNothingForTheSameConfiguration) {
  ASSERT_TRUE(wait_for(interception_.prepare(config_)));
  const Result<bool> reloaded = wait_for(interception_.reload(config_));
  ASSERT_TRUE(reloaded);
  EXPECT_FALSE(*reloaded);
}

TEST_F(InterceptionTest, FailsOpenAndBeginsAnew) {
  ASSERT_TRUE(wait_for(interception_.prepare(config_)));
  ASSERT_TRUE(wait_for(interception_.attach()));
  wait_for(interception_.fail_open("for a reason"));
  EXPECT_FALSE(accepts(config_.legacy.ports.front()));
  EXPECT_EQ(wait_for(interception_.describe()).failure, "for a reason");
  EXPECT_FALSE(wait_for(interception_.attach())) << "without sockets";

  ASSERT_TRUE(wait_for(interception_.prepare(config_)));
  ASSERT_TRUE(wait_for(interception_.attach()));
  EXPECT_TRUE(accepts(config_.legacy.ports.front()));
}

TEST_F(InterceptionTest, KeepsNobodyWaitingInAHeldSocketWhenItFailsOpen) {
  std::vector<UniqueFd> held;
  held.push_back(support::listen_on_loopback());
  const SocketAddress address = support::address_of(held.front());
  Interception interception(io_, std::move(held), [] {});
  const UniqueFd caller(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(caller.get(), address.get(), address.size()), 0);
  wait_for(interception.fail_open("for a reason"));
  pollfd waiting{.fd = caller.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&waiting, 1, 10000), 1);
  char byte = 0;
  EXPECT_LE(::recv(caller.get(), &byte, 1, 0), 0);
}

TEST_F(InterceptionTest, LeavesNothingToASuccessorThatHoldsNoSocket) {
  ASSERT_TRUE(wait_for(interception_.prepare(config_)));
  ASSERT_TRUE(wait_for(interception_.attach()));
  EXPECT_FALSE(wait_for(interception_.stop(false)));
  EXPECT_FALSE(accepts(config_.legacy.ports.front()));
}

TEST_F(InterceptionTest, LeadsCallersToTheSocketThatReplacesADeadOne) {
  ASSERT_TRUE(wait_for(interception_.prepare(config_)));
  ASSERT_TRUE(wait_for(interception_.attach()));
  EXPECT_EQ(wait_for(interception_.replace_dead_sockets()), 0U);
  ASSERT_EQ(::shutdown(interception_.sockets().front(), SHUT_RDWR), 0);
  EXPECT_EQ(wait_for(interception_.replace_dead_sockets()), 1U);
  EXPECT_TRUE(accepts(config_.legacy.ports.front()));
  const InterceptionState state = wait_for(interception_.describe());
  EXPECT_TRUE(state.in_force) << state.failure;
}

}  // namespace
}  // namespace msi2imds::supervisor
