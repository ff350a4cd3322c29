// SPDX-License-Identifier: MIT
#include "migration/established.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/netlink/loopback_connection.hpp"

namespace msi2imds::migration {
namespace {

// This process is both ends: the extension that accepts, and its client.
class EstablishedTest : public testing::Test {
 protected:
  std::vector<Established> look() {
    const waagent::ExtensionProcess self{
        .pid = ::getpid(), .unit = {}, .listens = {*SocketAddress::local_of(connection_.listener.get())}};
    const auto found = connections_to_extension({self});
    EXPECT_TRUE(found) << found.error().message();
    return found ? *found : std::vector<Established>{};
  }

  LoopbackConnection connection_;
};

TEST_F(EstablishedTest, NamesWhoKeepsAConnection) {
  const auto found = look();
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].client.to_string(), connection_.peer.to_string());
  EXPECT_EQ(found[0].pid, ::getpid());
}

TEST_F(EstablishedTest, AClientThatHasGoneKeepsNothing) {
  connection_.client.reset();
  EXPECT_TRUE(look().empty()) << "the extension has not closed its end, and nobody waits for it";
}

TEST_F(EstablishedTest, AClientThatHasSentAllStillWaitsForItsAnswer) {
  ASSERT_EQ(::shutdown(connection_.client.get(), SHUT_WR), 0);
  const auto found = look();
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].pid, ::getpid());
}

}  // namespace
}  // namespace msi2imds::migration
