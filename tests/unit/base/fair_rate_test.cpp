// SPDX-License-Identifier: MIT
#include "base/fair_rate.hpp"

#include <gtest/gtest.h>

namespace msi2imds {
namespace {

using std::chrono::milliseconds;

class FairRateTest : public testing::Test {
 protected:
  int taken(const Holder& holder, int wanted) {
    int count = 0;
    while (count < wanted && rate_.has(holder, now_)) {
      rate_.take(holder, 1, now_);
      ++count;
    }
    return count;
  }
  int taken_by_user(std::uint32_t uid, int wanted) {
    return taken({.owner = uid, .uid = uid}, wanted);
  }

  FairRate rate_{1000};
  FairRate::Time now_{std::chrono::hours(1)};
};

TEST_F(FairRateTest, OneOwnerGetsHisPart) {
  int of_owner = 0;
  for (std::uint32_t uid = 1; uid <= 50; ++uid) {
    of_owner += taken({.owner = 1, .uid = uid}, 1000);
  }
  EXPECT_NEAR(of_owner, 250, 2);
  EXPECT_EQ(taken({.owner = 1, .uid = 51}, 1), 0);
  EXPECT_NEAR(taken_by_user(2, 1000), 150, 3);
}

TEST_F(FairRateTest, OneUidLeavesSomethingForTheOwnersOthers) {
  EXPECT_NEAR(taken({.owner = 1, .uid = 1}, 1000), 200, 2);
  EXPECT_NEAR(taken({.owner = 1, .uid = 2}, 1000), 40, 2);
  EXPECT_GE(taken({.owner = 1, .uid = 3}, 1000), 5);
}

TEST_F(FairRateTest, HoweverManyTakeAllTheyCanANewcomerGetsSomething) {
  for (std::uint32_t uid = 1; uid <= 20; ++uid) {
    EXPECT_GE(taken_by_user(uid, 1000), 2) << uid;
  }
}

TEST_F(FairRateTest, WhoAlwaysTakesAllGetsAsMuchASecond) {
  int count = 0;
  for (int i = 0; i < 1000; ++i) {
    now_ += milliseconds(10);
    count += taken_by_user(1, 1000);
  }
  EXPECT_NEAR(count, 2200, 30) << "for ten seconds, and what was saved up before";
}

TEST_F(FairRateTest, AllTogetherGetTheWhole) {
  int count = 0;
  for (int i = 0; i < 1000; ++i) {
    now_ += milliseconds(10);
    for (std::uint32_t uid = 1; uid <= 40; ++uid) {
      count += taken_by_user(uid, 1000);
    }
  }
  EXPECT_LE(count, 11'000);
  EXPECT_GE(count, 9'000);
}

TEST_F(FairRateTest, WhatWasTooMuchIsMissingAfterwards) {
  const Holder user{.owner = 1, .uid = 1};
  ASSERT_TRUE(rate_.has(user, now_));
  rate_.take(user, 900, now_);
  now_ += milliseconds(1000);
  EXPECT_EQ(taken_by_user(1, 1), 0);
  EXPECT_EQ(taken_by_user(2, 1), 1);
  now_ += milliseconds(1000);
  EXPECT_EQ(taken_by_user(1, 1), 1);
}

TEST_F(FairRateTest, RemembersABoundedNumber) {
  for (std::uint32_t uid = 0; uid < 20'000; ++uid) {
    now_ += std::chrono::microseconds(1500);
    EXPECT_EQ(taken_by_user(uid, 1), 1);
  }
  EXPECT_LE(rate_.holders(), 4096U);
}

TEST_F(FairRateTest, WhoHasTakenMuchIsNotForgotten) {
  EXPECT_NEAR(taken_by_user(1, 1000), 200, 2);
  for (std::uint32_t uid = 2; uid < 6000; ++uid) {
    now_ += std::chrono::microseconds(1);
    rate_.take({.owner = uid, .uid = uid}, 0.01, now_);
  }
  EXPECT_EQ(taken_by_user(1, 1), 0);
}

}  // namespace
}  // namespace msi2imds
