// SPDX-License-Identifier: MIT
#include "imds_emulator/sliding_maximum.hpp"

#include <gtest/gtest.h>

namespace msi2imds::emulator {
namespace {

using std::chrono::milliseconds;

SlidingMaximum maximum_of(std::initializer_list<int> times) {
  SlidingMaximum maximum;
  for (const int time : times) {
    maximum.add(SlidingMaximum::Time(milliseconds(time)));
  }
  return maximum;
}

TEST(SlidingMaximumTest, SeesAWindowThatLiesAcrossTwoClockSeconds) {
  EXPECT_EQ(maximum_of({900, 950, 1050, 1899}).maximum(), 4U);
}

TEST(SlidingMaximumTest, LeavesOutWhatIsExactlyOneSecondOld) {
  EXPECT_EQ(maximum_of({0, 1000, 2000}).maximum(), 1U);
  EXPECT_EQ(maximum_of({0, 999}).maximum(), 2U);
}

TEST(SlidingMaximumTest, KeepsTheMaximumWhenTheRateFalls) {
  EXPECT_EQ(maximum_of({0, 1, 2, 5000, 9000}).maximum(), 3U);
}

TEST(SlidingMaximumTest, StartsFromNothingAfterAReset) {
  SlidingMaximum maximum = maximum_of({0, 1, 2});
  maximum.reset();
  EXPECT_EQ(maximum.maximum(), 0U);
  maximum.add(SlidingMaximum::Time(milliseconds(3)));
  EXPECT_EQ(maximum.maximum(), 1U);
}

}  // namespace
}  // namespace msi2imds::emulator
