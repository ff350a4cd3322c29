// SPDX-License-Identifier: MIT
#include "supervisor/restart_policy.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace msi2imds::supervisor {
namespace {

// What the policy says after each of these, in seconds.
std::vector<std::chrono::seconds::rep> waits_after(const std::vector<Outcome>& outcomes) {
  RestartPolicy policy;
  std::vector<std::chrono::seconds::rep> waits;
  for (const Outcome outcome : outcomes) {
    waits.push_back(policy.after(outcome, std::chrono::seconds(30)).count());
  }
  return waits;
}

using Waits = std::vector<std::chrono::seconds::rep>;

TEST(RestartPolicyTest, StartsAResponderThatServedAgainAtOnceHoweverOftenItDies) {
  EXPECT_EQ(waits_after(std::vector<Outcome>(100, Outcome::died)), Waits(100, 0));
}

TEST(RestartPolicyTest, WaitsAfterFiveStartsWithoutSuccess) {
  EXPECT_EQ(waits_after(std::vector<Outcome>(5, Outcome::never_ready)), Waits({0, 0, 0, 0, 1}));
}

TEST(RestartPolicyTest, WaitsLongerAfterEachHangUpToAMinute) {
  EXPECT_EQ(waits_after(std::vector<Outcome>(10, Outcome::hung)), Waits({0, 1, 2, 4, 8, 16, 32, 60, 60, 60}));
}

TEST(RestartPolicyTest, WaitsThreeSecondsAtMostForAStartWhichCostsCallersNothing) {
  EXPECT_EQ(waits_after(std::vector<Outcome>(10, Outcome::never_ready)),
            Waits({0, 0, 0, 0, 1, 2, 3, 3, 3, 3}));
}

TEST(RestartPolicyTest, WaitsAfterTheSecondHang) {
  EXPECT_EQ(waits_after({Outcome::hung, Outcome::hung}), Waits({0, 1}));
}

TEST(RestartPolicyTest, ForgetsAHangBeforeALongGoodRun) {
  RestartPolicy policy;
  (void)policy.after(Outcome::hung, std::chrono::seconds(30));
  EXPECT_EQ(policy.after(Outcome::hung, std::chrono::minutes(10)).count(), 0);
  EXPECT_EQ(policy.after(Outcome::hung, std::chrono::minutes(9)).count(), 1);
}

TEST(RestartPolicyTest, AddsHangsAndFailedStarts) {
  EXPECT_EQ(waits_after({Outcome::hung, Outcome::never_ready, Outcome::never_ready}), Waits({0, 0, 1}));
}

TEST(RestartPolicyTest, ForgetsFailuresOnceAResponderServed) {
  EXPECT_EQ(waits_after({Outcome::never_ready, Outcome::never_ready, Outcome::never_ready,
                         Outcome::never_ready, Outcome::died, Outcome::never_ready}),
            Waits(6, 0));
}

TEST(RestartPolicyTest, WaitsShortlyAgainOnceAResponderServed) {
  std::vector<Outcome> outcomes(8, Outcome::never_ready);
  outcomes.push_back(Outcome::died);
  outcomes.insert(outcomes.end(), 5, Outcome::never_ready);
  EXPECT_EQ(waits_after(outcomes), Waits({0, 0, 0, 0, 1, 2, 3, 3, 0, 0, 0, 0, 0, 1}));
}

}  // namespace
}  // namespace msi2imds::supervisor
