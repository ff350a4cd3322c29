// SPDX-License-Identifier: MIT
#include "unit/broker/fixture.hpp"

namespace msi2imds::broker {
namespace {

constexpr int kKeys = 50;

std::string key_name(int number) {
  return "resource" + std::to_string(number);
}

class RefreshTest : public BrokerTest {
 protected:
  void warm_up() {
    for (int i = 0; i < kKeys; ++i) {
      (void)ask(request_for(key_name(i)));
    }
    clock_.advance(seconds(5));
    ASSERT_EQ(broker_.cache().count(), static_cast<std::size_t>(kKeys));
  }
  void use_all() {
    for (int i = 0; i < kKeys; ++i) {
      EXPECT_TRUE(is_token(ask_now(request_for(key_name(i)))));
    }
  }
  void fail_from_now_on() {
    source_.answer = [](const TokenRequest& /*request*/) { return failure(); };
  }
};

TEST_F(RefreshTest, TokensInUseAreReplacedBeforeAnybodyWaits) {
  warm_up();
  for (int half_hour = 0; half_hour < 100; ++half_hour) {
    clock_.advance(minutes(30));
    use_all();
  }
  EXPECT_EQ(broker_.counters().asked, 50U);
  EXPECT_EQ(sent(), 3U * kKeys);
}

TEST_F(RefreshTest, TokensThatNobodyUsesAreNotReplaced) {
  warm_up();
  clock_.advance(hours(25));
  EXPECT_EQ(sent(), static_cast<std::size_t>(kKeys));
  EXPECT_EQ(broker_.cache().count(), 0U);
}

TEST_F(RefreshTest, BeginsInTheTenMinutesBeforeTheMargin) {
  warm_up();
  const WallTime expiry = clock_.wall() - seconds(5) + hours(24);
  clock_.advance(expiry - minutes(16) - clock_.wall());
  use_all();
  EXPECT_EQ(sent(), static_cast<std::size_t>(kKeys));
  clock_.advance(expiry - minutes(9) - clock_.wall());
  EXPECT_EQ(sent(), 2U * kKeys);
}

TEST_F(RefreshTest, IsSpreadOverTime) {
  warm_up();
  const WallTime expiry = clock_.wall() - seconds(5) + hours(24);
  clock_.advance(expiry - minutes(16) - clock_.wall());
  use_all();
  clock_.advance(expiry - minutes(9) - clock_.wall());
  const auto times = start_times(source_.starts[kKeys].at);
  EXPECT_GT(times.back(), 120);
}

TEST_F(RefreshTest, WaitsForAllClients) {
  source_.lifetime = hours(1);
  warm_up();
  clock_.advance(minutes(40));
  use_all();
  settings_.max_rate = 1;
  configure(settings_);
  for (int i = 0; i < 60; ++i) {
    (void)ask(request_for("new" + std::to_string(i)));
  }
  const std::size_t before = sent();
  while (sent() < before + 59) {
    clock_.advance(seconds(1));
  }
  clock_.advance(minutes(10));
  std::size_t place = before;
  while (place < sent() && source_.starts[place].request.resource.starts_with("new")) {
    ++place;
  }
  EXPECT_GE(place - before, 59U);
  EXPECT_GT(sent(), before + 60) << "there were refreshes";
}

TEST_F(RefreshTest, AnOutageOfTenMinutesIsNotNoticed) {
  source_.lifetime = hours(1);
  warm_up();
  clock_.advance(minutes(40));
  use_all();
  const auto works = source_.answer;
  clock_.advance(minutes(4));
  fail_from_now_on();
  for (int second = 0; second < 600; ++second) {
    clock_.advance(seconds(1));
    use_all();
  }
  EXPECT_EQ(broker_.counters().asked, 50U) << "every request was served from the cache";
  EXPECT_LE(most_starts_in_a_second(), 20U);
  source_.answer = works;
  clock_.advance(minutes(2));
  for (int minute = 0; minute < 30; ++minute) {
    use_all();
    clock_.advance(minutes(1));
  }
}

TEST_F(RefreshTest, ARefusalOfARefreshLeavesTheTokenToItsCallers) {
  source_.lifetime = hours(1);
  warm_up();
  source_.answer = [](const TokenRequest& /*request*/) { return refusal(); };
  clock_.advance(minutes(54));
  use_all();
  EXPECT_GT(sent(), static_cast<std::size_t>(kKeys));
}

TEST_F(RefreshTest, ACallerJoinsARefresh) {
  source_.lifetime = hours(1);
  (void)ask_now(request_for("vault"));
  source_.delay = minutes(20);
  clock_.advance(minutes(55) + seconds(1));
  ASSERT_EQ(sent(), 2U);
  const CallPtr call = ask(request_for("vault"));
  EXPECT_FALSE(call->result);
  EXPECT_EQ(broker_.counters().joined, 1U);
  clock_.advance(minutes(20));
  EXPECT_EQ(sent(), 2U);
}

TEST_F(RefreshTest, FiveThousandTokensThatExpireTogetherAreReplacedInTime) {
  const WallTime together = clock_.wall() + hours(2);
  source_.answer = [this, together](const TokenRequest& /*request*/) {
    const WallTime expiry = clock_.wall() < together - hours(1) ? together : together + hours(2);
    return token::TokenResponse(make_token(expiry));
  };
  for (int i = 0; i < 5000; ++i) {
    (void)ask(request_for(key_name(i)));
    if (i % 1000 == 999) {
      clock_.advance(minutes(1));
    }
  }
  ASSERT_EQ(sent(), 5000U);
  clock_.advance(together - minutes(40) - clock_.wall());
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE(is_token(ask_now(request_for(key_name(i)))));
  }
  clock_.advance(together - minutes(5) - clock_.wall());
  EXPECT_EQ(sent(), 10000U);
  EXPECT_LE(most_starts_in_a_second(), 20U);
}

}  // namespace
}  // namespace msi2imds::broker
