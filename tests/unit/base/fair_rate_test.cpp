// SPDX-License-Identifier: MIT
#include "base/fair_rate.hpp"

#include <gtest/gtest.h>

namespace msi2imds {
namespace {

using std::chrono::milliseconds;

class FairRateTest : public testing::Test {
 protected:
  int taken(std::uint32_t owner, int wanted) {
    int count = 0;
    while (count < wanted && rate_.has(owner, now_)) {
      rate_.take(owner, 1);
      ++count;
    }
    return count;
  }

  FairRate rate_{40, 10};
  FairRate::Time now_{std::chrono::hours(1)};
};

TEST_F(FairRateTest, OneOwnerGetsHisPart) {
  EXPECT_EQ(taken(1, 100), 10);
  EXPECT_EQ(taken(2, 100), 10);
  now_ += milliseconds(500);
  EXPECT_EQ(taken(1, 100), 5);
}

TEST_F(FairRateTest, AllTogetherGetTheWhole) {
  for (std::uint32_t owner = 1; owner <= 4; ++owner) {
    EXPECT_EQ(taken(owner, 100), 10);
  }
  EXPECT_EQ(taken(5, 100), 0);
}

TEST_F(FairRateTest, WhatWasTooMuchIsMissingAfterwards) {
  ASSERT_TRUE(rate_.has(1, now_));
  rate_.take(1, 25);
  now_ += milliseconds(1500);
  EXPECT_FALSE(rate_.has(1, now_));
  EXPECT_TRUE(rate_.has(2, now_));
  now_ += milliseconds(100);
  EXPECT_TRUE(rate_.has(1, now_));
}

TEST_F(FairRateTest, SavesUpForASecond) {
  now_ += std::chrono::hours(1);
  EXPECT_EQ(taken(1, 100), 10);
}

TEST_F(FairRateTest, RemembersABoundedNumberOfOwners) {
  for (std::uint32_t owner = 0; owner < 5000; ++owner) {
    now_ += milliseconds(100);
    EXPECT_EQ(taken(owner, 1), 1);
  }
  EXPECT_LE(rate_.owners(), 1024U);
}

}  // namespace
}  // namespace msi2imds
