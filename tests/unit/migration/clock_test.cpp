// SPDX-License-Identifier: MIT
#include "migration/clock.hpp"

#include <gtest/gtest.h>

namespace msi2imds::migration {
namespace {

using std::chrono::seconds;

constexpr std::int64_t kTheirs = 784111777;
const std::string kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

// An exchange of four seconds that began so long after kTheirs.
Asked asked_at(seconds after) {
  const WallTime asked(seconds(kTheirs) + after);
  return {.asked = asked, .answered = asked + seconds(4)};
}

http::Answer with_date(const std::string& date) {
  http::Answer answer;
  answer.headers = {{.name = "date", .value = date}};
  return answer;
}

TEST(ClockTest, IsComparedWithTheDate) {
  EXPECT_EQ(clock_ahead(with_date(kDate), asked_at(seconds(60))), seconds(60));
  EXPECT_EQ(clock_ahead(with_date(kDate), asked_at(seconds(-64))), seconds(-60));
}

TEST(ClockTest, TheWayOfTheAnswerIsNoDifference) {
  for (const int after : {0, -2, -4}) {
    EXPECT_EQ(clock_ahead(with_date(kDate), asked_at(seconds(after))), seconds(0)) << after;
  }
}

TEST(ClockTest, IsUnknownWithoutADate) {
  EXPECT_EQ(clock_ahead(http::Answer(), asked_at(seconds(0))), std::nullopt);
  for (const char* date : {"", "soon", "784111777", "Sun, 06 Nov 1994 08:49:37 GMT+1", "Sun, 06 Nov 1994"}) {
    EXPECT_EQ(clock_ahead(with_date(date), asked_at(seconds(0))), std::nullopt) << date;
  }
}

TEST(ClockTest, IsComparedWithWhatATokenHasLeft) {
  token::Token token;
  token.expires_on = kTheirs + 3600;
  token.expires_in = 3600;
  EXPECT_EQ(clock_ahead(token, asked_at(seconds(60))), seconds(60));
  EXPECT_EQ(clock_ahead(token, asked_at(seconds(-64))), seconds(-60));
}

TEST(ClockTest, WithoutThatATokenTellsOnlyThatItHasBegun) {
  token::Token token;
  token.expires_on = kTheirs + 3600;
  token.not_before = kTheirs;
  EXPECT_EQ(clock_ahead(token, asked_at(seconds(-64))), seconds(-60));
  EXPECT_EQ(clock_ahead(token, asked_at(seconds(60))), std::nullopt);
}

}  // namespace
}  // namespace msi2imds::migration
