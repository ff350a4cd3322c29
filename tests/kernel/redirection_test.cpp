// SPDX-License-Identifier: MIT
// Which connections are taken, and which are not.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "kernel/redirection_fixture.hpp"

namespace msi2imds::kernel {
namespace {

class RedirectionTest : public RedirectionFixture {
 protected:
  void SetUp() override {
    install();
  }

  // A connection to `address` arrives at us, and its client sees what it dialled.
  void expect_taken(const std::string& address, const std::string& peer) {
    SCOPED_TRACE(address);
    const Dialled dialled = dial(address, kPort);
    ASSERT_EQ(dialled.error, 0);
    EXPECT_EQ(peer_of(dialled.socket), peer);
    const UniqueFd accepted = listeners_->accept();
    ASSERT_TRUE(accepted);
    EXPECT_TRUE(is_alive(dialled.socket, accepted));
  }
};

INSTANTIATE_TEST_SUITE_P(Backends, RedirectionTest, testing::ValuesIn(all_backends()), backend_of);

TEST_P(RedirectionTest, TakesTheIpv4Loopback) {
  expect_taken("127.0.0.1", "127.0.0.1:50342");
}

TEST_P(RedirectionTest, TakesTheIpv6Loopback) {
  expect_taken("::1", "[::1]:50342");
}

TEST_P(RedirectionTest, TakesTheAddressOfNowhere) {
  expect_taken("0.0.0.0", "127.0.0.1:50342");
}

TEST_P(RedirectionTest, TakesADualStackClient) {
  expect_taken("::ffff:127.0.0.1", "[::ffff:127.0.0.1]:50342");
}

TEST_P(RedirectionTest, TakesTheWholeLoopbackNetworkWhereItCan) {
  if (abilities_.covers_all_of_127) {
    expect_taken("127.9.9.9", "127.9.9.9:50342");
    expect_taken("127.255.255.254", "127.255.255.254:50342");
  } else {
    EXPECT_EQ(dial("127.9.9.9", kPort).error, ECONNREFUSED);
  }
}

TEST_P(RedirectionTest, TakesEachPort) {
  EXPECT_TRUE(is_ours("127.0.0.1", kPort));
  EXPECT_TRUE(is_ours("127.0.0.1", kSecondPort));
  EXPECT_TRUE(is_ours("::1", kSecondPort));
}

TEST_P(RedirectionTest, LeavesTheAddressOfANicAlone) {
  EXPECT_EQ(dial(kNicAddress, kPort).error, ECONNREFUSED);
  const UniqueFd server = listen_on(kNicAddress, kPort);
  EXPECT_FALSE(is_ours(kNicAddress, kPort));
  EXPECT_TRUE(accept_from(server.get()));
}

TEST_P(RedirectionTest, LeavesOtherPortsAlone) {
  EXPECT_EQ(dial("127.0.0.1", kOtherPort).error, ECONNREFUSED);
  const UniqueFd server = listen_on("127.0.0.1", kOtherPort);
  EXPECT_FALSE(is_ours("127.0.0.1", kOtherPort));
  EXPECT_TRUE(accept_from(server.get()));
}

// The same bit of another word in the set of ports.
TEST_P(RedirectionTest, TellsPortsApartThatShareABit) {
  EXPECT_EQ(dial("127.0.0.1", kPort - 64).error, ECONNREFUSED);
  EXPECT_EQ(dial("127.0.0.1", kPort % 64).error, ECONNREFUSED);
  EXPECT_EQ(dial("127.0.0.1", 65535).error, ECONNREFUSED);
}

TEST_P(RedirectionTest, LeavesUdpAlone) {
  const auto address = SocketAddress::ipv4_loopback(kPort);
  const UniqueFd server(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ASSERT_EQ(::bind(server.get(), address.get(), address.size()), 0);
  const UniqueFd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::sendto(client.get(), "x", 1, 0, address.get(), address.size()), 1);
  char byte = 0;
  EXPECT_TRUE(comes_true([&] { return ::recv(server.get(), &byte, 1, 0) == 1; }));
}

TEST_P(RedirectionTest, LeavesAnotherNamespaceAlone) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::_exit(enter_new_network_namespace() ? dial("127.0.0.1", kPort).error : -1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), ECONNREFUSED);
  EXPECT_FALSE(listeners_->accept());
}

TEST_P(RedirectionTest, TakesAClientThatIsBoundToTheAddressOfANic) {
  const auto from = SocketAddress::parse(kNicAddress, 0);
  const auto to = SocketAddress::ipv4_loopback(kPort);
  ASSERT_TRUE(from);
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(client.get(), from->get(), from->size()), 0);
  ASSERT_EQ(::connect(client.get(), to.get(), to.size()), 0);
  EXPECT_TRUE(listeners_->accept());
}

// So that the extension can still be asked. Kernels whose connect programs do not see the client's port know
// our listeners in another way, too, which is remarked.
TEST_P(RedirectionTest, LeavesAClientAloneThatIsBoundToTheListenPort) {
  if (!abilities_.leaves_the_port_free) {
    return;  // does not apply: the port is ours
  }
  const UniqueFd extension = listen_on("127.0.0.1", kPort);
  const auto from = SocketAddress::parse("127.0.0.2", plan_.listen_port);
  const auto to = SocketAddress::ipv4_loopback(kPort);
  ASSERT_TRUE(from);
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(client.get(), from->get(), from->size()), 0);
  ASSERT_EQ(::connect(client.get(), to.get(), to.size()), 0);
  const auto remarks = redirection_->remarks();
  const bool is_old = std::any_of(remarks.begin(), remarks.end(), [](const std::string& remark) {
    return remark.find("known by their mark") != std::string::npos ||
           remark.find("cannot tell who listens") != std::string::npos;
  });
  EXPECT_EQ(!accept_from(extension.get()), is_old);
}

TEST_P(RedirectionTest, IsTakenBeforeWhoeverListensOnTheLegacyPort) {
  if (!abilities_.leaves_the_port_free) {
    return;  // does not apply: the port is ours
  }
  const UniqueFd extension = listen_on("127.0.0.1", kPort);
  EXPECT_TRUE(is_ours("127.0.0.1", kPort));
  EXPECT_FALSE(accept_from(extension.get()));
}

}  // namespace
}  // namespace msi2imds::kernel
