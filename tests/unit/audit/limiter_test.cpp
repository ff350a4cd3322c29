// SPDX-License-Identifier: MIT
#include "audit/limiter.hpp"

#include <gtest/gtest.h>

namespace msi2imds::audit {
namespace {

using std::chrono::milliseconds;

Limiter::CallerPtr caller_of(uid_t uid) {
  caller::Identity caller;
  caller.uid = uid;
  return std::make_shared<const caller::Identity>(std::move(caller));
}

class LimiterTest : public testing::Test {
 protected:
  LimiterTest() {
    limiter_.configure(10);
  }
  int admitted(const Limiter::CallerPtr& caller, int wanted) {
    int count = 0;
    for (int i = 0; i < wanted; ++i) {
      count += limiter_.admit(caller, now_) ? 1 : 0;
    }
    return count;
  }

  Limiter limiter_;
  Limiter::Time now_{std::chrono::hours(1)};
};

TEST_F(LimiterTest, GivesEachCallerItsOwnShare) {
  EXPECT_EQ(admitted(caller_of(1), 25), 10);
  EXPECT_EQ(admitted(caller_of(2), 5), 5);
  now_ += milliseconds(500);
  EXPECT_EQ(admitted(caller_of(1), 25), 5);
}

TEST_F(LimiterTest, CountsWhatItLeavesOutAndTellsItOnce) {
  (void)admitted(caller_of(1), 25);
  EXPECT_TRUE(limiter_.take_left_out(now_).empty()) << "not before a second";
  now_ += milliseconds(1000);
  const auto left_out = limiter_.take_left_out(now_);
  ASSERT_EQ(left_out.size(), 1U);
  EXPECT_EQ(left_out[0].count, 15U);
  EXPECT_EQ(left_out[0].caller->uid, 1U);
  EXPECT_TRUE(limiter_.take_left_out(now_).empty());
}

TEST_F(LimiterTest, RemembersABoundedNumberAndForgetsNoCount) {
  (void)admitted(caller_of(1), 25);
  for (uid_t uid = 2; uid < 5000; ++uid) {
    now_ += std::chrono::microseconds(1);
    (void)admitted(caller_of(uid), 1);
  }
  EXPECT_LE(limiter_.callers(), 1025U);
  now_ += milliseconds(1000);
  const auto left_out = limiter_.take_left_out(now_);
  ASSERT_EQ(left_out.size(), 1U);
  EXPECT_EQ(left_out[0].count, 15U);
}

}  // namespace
}  // namespace msi2imds::audit
