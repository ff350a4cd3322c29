// SPDX-License-Identifier: MIT
#include "supervisor/upstream_rate.hpp"

#include <gtest/gtest.h>

namespace msi2imds::supervisor {
namespace {

using Time = std::chrono::steady_clock::time_point;

int admitted_of(UpstreamRate& rate, int asked, Time now) {
  int admitted = 0;
  for (int i = 0; i < asked; ++i) {
    admitted += rate.admit(now) ? 1 : 0;
  }
  return admitted;
}

TEST(UpstreamRate, LetsThroughWhatAResponderNeedsAndNoFlood) {
  UpstreamRate rate;
  Time now = Time() + std::chrono::hours(1);
  EXPECT_EQ(admitted_of(rate, 1000, now), 100);
  now += std::chrono::milliseconds(500);
  EXPECT_EQ(admitted_of(rate, 1000, now), 50);
  now += std::chrono::hours(1);
  EXPECT_EQ(admitted_of(rate, 1000, now), 100) << "no more is saved up";
}

}  // namespace
}  // namespace msi2imds::supervisor
