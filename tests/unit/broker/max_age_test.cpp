// SPDX-License-Identifier: MIT
#include "unit/broker/fixture.hpp"

namespace msi2imds::broker {
namespace {

// Tokens of a day are fetched anew after an hour.
class MaxAgeTest : public BrokerTest {
 protected:
  MaxAgeTest() {
    settings_.max_age = hours(1);
    configure(settings_);
  }
  // A token of two hours is in the cache, used last before that, so that nobody replaces it in the
  // background.
  void age_a_token() {
    source_.answer = [this](const TokenRequest& /*request*/) {
      old_ = make_token(clock_.wall() + hours(24));
      return token::TokenResponse(old_);
    };
    (void)ask_now(request_for("vault"));
    clock_.advance(hours(3));
    source_.starts.clear();
    source_.answer = {};
  }
  void hang() {
    source_.delay = minutes(20);
  }
  void fail_from_now_on() {
    source_.answer = [](const TokenRequest& /*request*/) { return failure(); };
  }

  TokenPtr old_;
};

TEST_F(MaxAgeTest, ATokenInUseIsReplacedInTheBackground) {
  WallTime issued = clock_.wall();
  source_.answer = [&](const TokenRequest& /*request*/) {
    issued = clock_.wall();
    return token::TokenResponse(make_token(issued + hours(24)));
  };
  for (int minute = 0; minute < 600; ++minute) {
    ASSERT_TRUE(is_token(ask_now(request_for("vault"))));
    ASSERT_LE(clock_.wall() - issued, hours(1));
    clock_.advance(minutes(1));
  }
  EXPECT_EQ(broker_.counters().asked, 1U);
  EXPECT_LE(sent(), 14U);
}

TEST_F(MaxAgeTest, TheFirstCallerAfterALongTimeGetsTheNewToken) {
  age_a_token();
  const TokenPtr latest = token_of(ask_now(request_for("vault")));
  ASSERT_TRUE(latest);
  EXPECT_NE(latest, old_);
  EXPECT_EQ(sent(), 1U);
}

TEST_F(MaxAgeTest, WhileImdsFailsTheOldOneServesAtOnceUntilItExpires) {
  age_a_token();
  fail_from_now_on();
  const SteadyTime end = clock_.steady() + hours(17);
  while (clock_.steady() < end) {
    ASSERT_EQ(token_of(ask_now(request_for("vault"))), old_);
    clock_.advance(minutes(1));
  }
  EXPECT_LE(sent(), 17 * 60 / 2U) << "not asked for without end";
}

TEST_F(MaxAgeTest, WhileImdsHangsOneCallerWaitsForTwoSeconds) {
  age_a_token();
  hang();
  const CallPtr first = ask(request_for("vault"));
  const CallPtr second = ask(request_for("vault"));
  EXPECT_FALSE(first->result);
  clock_.advance(seconds(2));
  for (const CallPtr& call : {first, second}) {
    ASSERT_TRUE(call->result);
    EXPECT_EQ(token_of(*call->result), old_);
    EXPECT_EQ(call->waited(), seconds(2));
  }
  EXPECT_EQ(token_of(ask_now(request_for("vault"))), old_);
  EXPECT_EQ(sent(), 1U);
}

TEST_F(MaxAgeTest, TheAnswerThatCameTooLateServesTheNext) {
  age_a_token();
  source_.delay = seconds(30);
  (void)ask(request_for("vault"));
  clock_.advance(seconds(31));
  const TokenPtr latest = token_of(ask_now(request_for("vault")));
  EXPECT_NE(latest, old_);
  EXPECT_EQ(sent(), 1U);
}

TEST_F(MaxAgeTest, WhoseOldTokenExpiresMeanwhileWaitsForTheNewOne) {
  settings_ = without_max_age();
  configure(settings_);
  source_.lifetime = hours(3);
  (void)ask_now(request_for("vault"));
  clock_.advance(hours(3) - seconds(1));
  source_.delay = seconds(30);
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(seconds(5));
  EXPECT_FALSE(call->result);
  clock_.advance(seconds(25));
  ASSERT_TRUE(call->result);
  EXPECT_TRUE(is_token(*call->result));
}

TEST_F(MaxAgeTest, ARefusalIsAnAnswer) {
  age_a_token();
  source_.answer = [](const TokenRequest& /*request*/) { return refusal(); };
  EXPECT_TRUE(is_refusal(ask_now(request_for("vault")))) << "the identity may have been taken away";
}

TEST_F(MaxAgeTest, WhoInsistsOnANewTokenWaitsForIt) {
  age_a_token();
  hang();
  const CallPtr call = ask(bypassing("vault"));
  clock_.advance(seconds(70));
  EXPECT_FALSE(call->result);
}

TEST_F(MaxAgeTest, ANewSettingHoldsForOldTokens) {
  (void)ask_now(request_for("vault"));
  clock_.advance(minutes(5));
  settings_.max_age = minutes(1);
  configure(settings_);
  (void)ask_now(request_for("vault"));
  EXPECT_EQ(sent(), 2U);
}

TEST_F(MaxAgeTest, NewClientsGoBeforeThoseWhoHaveAnOldToken) {
  constexpr int kTokens = 600;
  settings_.deadline = hours(1);
  configure(settings_);
  for (int i = 0; i < kTokens; ++i) {
    (void)ask(request_for("resource" + std::to_string(i)));
  }
  clock_.advance(minutes(1));
  clock_.advance(hours(6));
  const std::size_t before = sent();
  std::vector<CallPtr> calls;
  calls.reserve(kTokens);
  for (int i = 0; i < kTokens; ++i) {
    calls.push_back(ask(request_for("resource" + std::to_string(i))));
  }
  clock_.advance(seconds(2));
  for (const CallPtr& call : calls) {
    ASSERT_TRUE(call->result && is_token(*call->result)) << "nobody waits longer than for the old token";
  }
  EXPECT_LT(sent(), before + kTokens / 2);
  const CallPtr late = ask(request_for("new"));
  clock_.advance(seconds(1));
  EXPECT_TRUE(late->result) << "the same user's old ones come after it";
  clock_.advance(minutes(2));
  EXPECT_EQ(sent(), before + kTokens + 1U) << "all are fetched anew all the same";
  EXPECT_LE(most_starts_in_a_second(), 20U);
}

}  // namespace
}  // namespace msi2imds::broker
