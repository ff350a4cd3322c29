// SPDX-License-Identifier: MIT
#include "supervisor/heartbeat.hpp"

#include <gtest/gtest.h>

namespace msi2imds::supervisor {
namespace {

constexpr int kAllowed = static_cast<int>(control::kHeartbeatMissed.count());

bool is_missed_after(Heartbeat& heartbeat, int looks) {
  for (int i = 1; i < looks; ++i) {
    if (heartbeat.is_missed()) {
      return true;
    }
  }
  return heartbeat.is_missed();
}

TEST(HeartbeatTest, IsMissedAfterAsManyLooksAsItMayBeSilentForSeconds) {
  Heartbeat heartbeat;
  EXPECT_FALSE(is_missed_after(heartbeat, kAllowed));
  EXPECT_TRUE(heartbeat.is_missed());
}

TEST(HeartbeatTest, CountsAnewWhenSomethingWasHeard) {
  Heartbeat heartbeat;
  EXPECT_FALSE(is_missed_after(heartbeat, kAllowed));
  heartbeat.heard();
  EXPECT_FALSE(is_missed_after(heartbeat, kAllowed));
  EXPECT_TRUE(heartbeat.is_missed());
}

}  // namespace
}  // namespace msi2imds::supervisor
