// SPDX-License-Identifier: MIT
#include "netlink/original_destination.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "unit/netlink/loopback_connection.hpp"

namespace msi2imds::netlink {
namespace {

TEST(OriginalDestinationTest, DoesNotExistWithoutNat) {
  for (const char* loopback : {"127.0.0.1", "::1"}) {
    const LoopbackConnection connection(loopback);
    const auto original = original_destination(connection.accepted.get());
    ASSERT_FALSE(original) << original->to_string();
    EXPECT_EQ(original.error().code().value(), ENOENT) << loopback;
  }
}

TEST(OriginalDestinationTest, FailsForWhatIsNoSocket) {
  EXPECT_EQ(original_destination(-1).error().code().value(), EBADF);
}

}  // namespace
}  // namespace msi2imds::netlink
