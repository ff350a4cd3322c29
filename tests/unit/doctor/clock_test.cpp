// SPDX-License-Identifier: MIT
#include "doctor/clock.hpp"

#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

using std::chrono::seconds;

Level level_at(std::int64_t ahead) {
  return judge_clock(seconds(ahead)).level;
}

TEST(JudgeClockTest, FewSecondsAreAgreement) {
  for (const int ahead : {0, 10, -10}) {
    EXPECT_EQ(level_at(ahead), Level::ok) << ahead;
  }
}

TEST(JudgeClockTest, MoreIsAWarning) {
  for (const int ahead : {11, -11, 299, -299}) {
    EXPECT_EQ(level_at(ahead), Level::warning) << ahead;
  }
  const Finding ahead = judge_clock(seconds(60));
  EXPECT_EQ(ahead.text, "This machine's clock is 60 s ahead of that of IMDS.");
  EXPECT_FALSE(ahead.advice.empty());
  EXPECT_EQ(judge_clock(seconds(-60)).text, "This machine's clock is 60 s behind that of IMDS.");
}

TEST(JudgeClockTest, WhatMisleadsClientsIsAnError) {
  EXPECT_EQ(level_at(300), Level::error);
  EXPECT_EQ(level_at(-300), Level::error);
  EXPECT_NE(judge_clock(seconds(3600)).text.find("expired before they are"), std::string::npos);
  EXPECT_NE(judge_clock(seconds(-3600)).text.find("not valid yet"), std::string::npos);
}

TEST(JudgeClockTest, NothingIsSaidOfWhatIsUnknown) {
  const Finding unknown = judge_clock(std::nullopt);
  EXPECT_EQ(unknown.level, Level::ok);
  EXPECT_NE(unknown.text.find("was not compared"), std::string::npos);
}

class CheckClockTest : public FakeMachine {};

TEST_F(CheckClockTest, TakesTheDateOfAnAnswer) {
  find(check_clock(host(), seconds(-3600)), "This machine's clock is 3600 s behind that of IMDS");
}

}  // namespace
}  // namespace msi2imds::doctor
