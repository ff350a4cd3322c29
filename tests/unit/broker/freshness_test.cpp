// SPDX-License-Identifier: MIT
#include "unit/broker/fixture.hpp"

namespace msi2imds::broker {
namespace {

// What is given out from the cache, and for how long.
class FreshnessTest : public BrokerTest {
 protected:
  // One token of 24 hours in the cache, unused for so long that it is not refreshed in the background.
  void warm_up_and_leave(nanoseconds duration) {
    (void)ask_now(request_for("vault"));
    clock_.advance(duration);
  }
};

TEST_F(FreshnessTest, ATokenIsServedUntilTheMarginIsReached) {
  warm_up_and_leave(hours(24) - minutes(5) - seconds(1));
  EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
  EXPECT_EQ(sent(), 1U);
}

TEST_F(FreshnessTest, ATokenWithinTheMarginIsReplaced) {
  warm_up_and_leave(hours(24) - minutes(5) + seconds(1));
  EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
  EXPECT_EQ(sent(), 2U);
}

TEST_F(FreshnessTest, TheMarginIsASetting) {
  settings_.expiry_margin = seconds(1000);
  configure(settings_);
  warm_up_and_leave(hours(24) - seconds(999));
  (void)ask_now(request_for("vault"));
  EXPECT_EQ(sent(), 2U);
}

TEST_F(FreshnessTest, ATokenWithinTheMarginIsServedWhenImdsFails) {
  warm_up_and_leave(hours(24) - seconds(2));
  source_.answer_next(failure());
  EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
  EXPECT_EQ(sent(), 2U);
}

TEST_F(FreshnessTest, AnExpiredTokenIsNeverServed) {
  warm_up_and_leave(hours(24) + seconds(1));
  source_.answer = [](const TokenRequest& /*request*/) { return failure(); };
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(seconds(75));
  ASSERT_TRUE(call->result);
  EXPECT_FALSE(*call->result);
}

TEST_F(FreshnessTest, AfterAFailureTheOldTokenServesForAMinuteWithoutAskingAgain) {
  warm_up_and_leave(hours(24) - seconds(200));
  source_.answer_next(failure());
  (void)ask_now(request_for("vault"));
  source_.answer = [](const TokenRequest& /*request*/) { return failure(); };
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
  }
  EXPECT_EQ(sent(), 2U);
}

TEST_F(FreshnessTest, ATokenThatImdsGivesOutWithinTheMarginServesForHalfAMinute) {
  source_.lifetime = seconds(200);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
  }
  EXPECT_EQ(sent(), 1U);
}

TEST_F(FreshnessTest, ATokenThatImdsGivesOutWithinTheMarginIsAskedForAgainAfterThat) {
  source_.lifetime = seconds(200);
  (void)ask_now(request_for("vault"));
  clock_.advance(seconds(31));
  EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
  EXPECT_GE(sent(), 2U);
}

TEST_F(FreshnessTest, ATokenOfAFewSecondsIsNotServedAfterItsEnd) {
  source_.lifetime = seconds(5);
  warm_up_and_leave(seconds(4));
  (void)ask_now(request_for("vault"));
  const std::size_t before = sent();
  clock_.advance(seconds(6));
  const TokenPtr token = token_of(ask_now(request_for("vault")));
  ASSERT_TRUE(token);
  EXPECT_GT(seconds(token->expires_on), clock_.wall().time_since_epoch());
  EXPECT_GT(sent(), before);
}

TEST_F(FreshnessTest, AnExpiredTokenFromImdsIsAFailureAndNotKept) {
  source_.lifetime = seconds(-1);
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(seconds(75));
  ASSERT_TRUE(call->result);
  ASSERT_FALSE(*call->result);
  EXPECT_NE(call->result->error().error.message().find("expired"), std::string::npos);
  EXPECT_EQ(broker_.cache().count(), 0U);
}

TEST_F(FreshnessTest, ATokenThatEndsThisVerySecondIsExpired) {
  source_.answer_next(token::TokenResponse(make_token(clock_.wall())));
  source_.answer = [](const TokenRequest& /*request*/) { return refusal(); };
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(seconds(2));
  ASSERT_TRUE(call->result);
  EXPECT_TRUE(is_refusal(*call->result));
}

TEST_F(FreshnessTest, ATokenForTheNextSecondIsGivenOut) {
  source_.lifetime = seconds(1);
  EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
}

TEST_F(FreshnessTest, ATokenUntilTheYear9999IsServed) {
  auto token = std::make_shared<token::Token>();
  token->expires_on = 253402300799;
  source_.answer_next(token::TokenResponse(token));
  (void)ask_now(request_for("vault"));
  clock_.advance(hours(48));
  EXPECT_EQ(token_of(ask_now(request_for("vault"))), token);
}

TEST_F(FreshnessTest, AWallClockSetForwardEndsATokensLife) {
  warm_up_and_leave(seconds(1));
  clock_.set_wall(clock_.wall() + hours(24));
  (void)ask_now(request_for("vault"));
  EXPECT_EQ(sent(), 2U);
}

TEST_F(FreshnessTest, AWallClockSetForwardALittleChangesNothing) {
  warm_up_and_leave(seconds(1));
  clock_.set_wall(clock_.wall() + hours(23));
  (void)ask_now(request_for("vault"));
  EXPECT_EQ(sent(), 1U);
}

TEST_F(FreshnessTest, AWallClockSetBackDoesNotKeepATokenAlive) {
  warm_up_and_leave(hours(1));
  clock_.set_wall(clock_.wall() - hours(1000));
  source_.lifetime = hours(24 + 1000);
  clock_.advance(hours(22) + minutes(54));
  (void)ask_now(request_for("vault"));
  EXPECT_EQ(sent(), 1U);
  clock_.advance(minutes(2));
  (void)ask_now(request_for("vault"));
  EXPECT_EQ(sent(), 2U);
}

TEST_F(FreshnessTest, ATokenFetchedUnderAClockFarBehindServesNoLongerOnceTheClockIsRight) {
  const WallTime right = clock_.wall();
  const TokenPtr token = make_token(right + hours(1));
  clock_.set_wall(WallTime(hours(1)));
  source_.answer_next(token::TokenResponse(token));
  (void)ask_now(request_for("vault"));
  clock_.advance(seconds(1));
  clock_.set_wall(right);
  EXPECT_EQ(token_of(ask_now(request_for("vault"))), token);
  clock_.set_wall(right + minutes(55) + seconds(1));
  EXPECT_NE(token_of(ask_now(request_for("vault"))), token);
}

TEST_F(FreshnessTest, AClockThatIsBehindDoesNotKeepADeadTokenAlive) {
  const TokenPtr dying = make_token_with(clock_.wall() + hours(1) + seconds(20), seconds(20));
  source_.answer_next(token::TokenResponse(dying));
  const FetchResult first = ask_now(request_for("vault"));
  EXPECT_EQ(token_of(first), dying);
  EXPECT_EQ(first.expires_on, unix_seconds(clock_.wall()) + 20);
  clock_.advance(seconds(5));
  const FetchResult later = ask_now(request_for("vault"));
  EXPECT_EQ(token_of(later), dying);
  EXPECT_EQ(later.expires_on, unix_seconds(clock_.wall()) + 15);
  source_.answer = [](const TokenRequest& /*request*/) { return failure(); };
  clock_.advance(seconds(15));
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(seconds(75));
  ASSERT_TRUE(call->result);
  EXPECT_FALSE(*call->result);
}

TEST_F(FreshnessTest, AClockThatIsAheadRefusesNobody) {
  source_.answer = [this](const TokenRequest& /*request*/) {
    const WallTime theirs = clock_.wall() - hours(2);
    return token::TokenResponse(make_token_with(theirs + hours(1), hours(1), theirs - minutes(5)));
  };
  const FetchResult first = ask_now(request_for("vault"));
  ASSERT_TRUE(is_token(first));
  EXPECT_EQ(first.expires_on, unix_seconds(clock_.wall()) + 3600);
  clock_.advance(minutes(5));
  EXPECT_EQ(token_of(ask_now(request_for("vault"))), token_of(first));
  EXPECT_EQ(sent(), 1U);
}

TEST_F(FreshnessTest, AnAnswerIsAsOldAsItsQuestion) {
  source_.answer = [this](const TokenRequest& /*request*/) {
    return token::TokenResponse(make_token_with(clock_.wall() + hours(1), seconds(30)));
  };
  source_.delay = seconds(8);
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(seconds(8));
  ASSERT_TRUE(call->result && is_token(*call->result));
  EXPECT_EQ(call->result->expires_on, unix_seconds(clock_.wall()) + 22);
}

TEST_F(FreshnessTest, TheClocksAreComparedWithEachTokenThatTells) {
  const auto ahead_after = [this](seconds theirs, std::optional<seconds> expires_in) {
    source_.answer = [=, this](const TokenRequest& /*request*/) {
      return token::TokenResponse(make_token_with(clock_.wall() + theirs + hours(1), expires_in));
    };
    const CallPtr call = ask(bypassing("vault"));
    clock_.advance(source_.delay + seconds(1));  // and for a turn
    EXPECT_TRUE(call->result && is_token(*call->result));
    return broker_.clocks().ahead(clock_.now());
  };
  EXPECT_EQ(broker_.clocks().ahead(clock_.now()), std::nullopt);
  EXPECT_EQ(ahead_after(seconds(0), std::nullopt), std::nullopt);
  EXPECT_EQ(ahead_after(seconds(0), hours(1)), seconds(0));
  EXPECT_EQ(ahead_after(seconds(5), hours(1)), seconds(-5));
  EXPECT_EQ(ahead_after(-minutes(30), hours(1)), minutes(30));
  EXPECT_EQ(ahead_after(seconds(0), std::nullopt), minutes(30)) << "who does not tell changes nothing";
  source_.delay = seconds(8);
  EXPECT_EQ(ahead_after(seconds(0), hours(1)), seconds(0)) << "an answer is some time on its way";
  EXPECT_EQ(ahead_after(-seconds(3), hours(1)), seconds(3));
}

TEST_F(FreshnessTest, AClockThatIsSetIsToldBeforeTheNextToken) {
  const auto ahead = [this] { return broker_.clocks().ahead(clock_.now()); };
  source_.answer = [this](const TokenRequest& /*request*/) {
    return token::TokenResponse(make_token_with(clock_.wall() + hours(24), hours(24)));
  };
  (void)ask_now(request_for("vault"));
  EXPECT_EQ(ahead(), seconds(0));
  clock_.set_wall(clock_.wall() + hours(24));
  EXPECT_EQ(ahead(), hours(24));
  clock_.sleep(hours(5));
  EXPECT_EQ(ahead(), hours(24)) << "time goes by";
  clock_.set_wall(clock_.wall() - hours(25));
  EXPECT_EQ(ahead(), -hours(1));
  clock_.set_wall(clock_.wall() + hours(1));
  EXPECT_EQ(ahead(), seconds(0)) << "it was put right";
}

TEST_F(FreshnessTest, ATokenThatImdsSaysIsOverIsAFailure) {
  source_.answer = [this](const TokenRequest& /*request*/) {
    return token::TokenResponse(make_token_with(clock_.wall() + hours(1), seconds(0)));
  };
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(seconds(75));
  ASSERT_TRUE(call->result);
  EXPECT_FALSE(*call->result);
}

TEST_F(FreshnessTest, ATokenAgesWhileTheMachineSleeps) {
  warm_up_and_leave(seconds(1));
  const WallTime asleep = clock_.wall();
  clock_.sleep(hours(24));
  clock_.set_wall(asleep);  // nobody has put it right yet
  (void)ask_now(request_for("vault"));
  EXPECT_EQ(sent(), 2U);
}

TEST_F(FreshnessTest, EachCallerIsToldWhenTheTokenEnds) {
  const std::int64_t end = unix_seconds(clock_.wall() + hours(24));
  source_.delay = seconds(1);
  const CallPtr first = ask(request_for("vault"));
  const CallPtr second = ask(request_for("vault"));
  clock_.advance(seconds(1));
  for (const FetchResult& result : {*first->result, *second->result, ask_now(request_for("vault"))}) {
    EXPECT_EQ(result.expires_on, end + 1);
  }
}

TEST_F(FreshnessTest, RefusalsAreNotKept) {
  source_.answer_next(refusal());
  EXPECT_TRUE(is_refusal(ask_now(request_for("vault"))));
  clock_.advance(seconds(1));
  EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
}

TEST_F(FreshnessTest, FailuresAreNotKept) {
  settings_.deadline = seconds(1);
  configure(settings_);
  source_.answer_next(failure());
  EXPECT_FALSE(ask_now(request_for("vault")));
  clock_.advance(seconds(1));
  EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
}

TEST_F(FreshnessTest, ABypassingRequestAsksAndItsTokenIsKept) {
  const TokenPtr old = token_of(ask_now(request_for("vault")));
  clock_.advance(seconds(1));
  const TokenPtr latest = token_of(ask_now(bypassing("vault")));
  EXPECT_EQ(sent(), 2U);
  EXPECT_NE(latest, old);
  EXPECT_EQ(token_of(ask_now(request_for("vault"))), latest);
  EXPECT_EQ(sent(), 2U);
  EXPECT_EQ(broker_.cache().count(), 1U);
}

TEST_F(FreshnessTest, AFailedBypassIsNotAnsweredFromTheCache) {
  settings_.deadline = seconds(1);
  configure(settings_);
  (void)ask_now(request_for("vault"));
  clock_.advance(seconds(1));
  source_.answer_next(failure());
  EXPECT_FALSE(ask_now(bypassing("vault")));
}

TEST_F(FreshnessTest, WithoutACacheEveryRequestIsAsked) {
  settings_.cache = false;
  configure(settings_);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
    clock_.advance(seconds(1));
  }
  EXPECT_EQ(sent(), 3U);
  EXPECT_EQ(broker_.cache().count(), 0U);
}

TEST_F(FreshnessTest, SwitchingTheCacheOffForgetsItsTokens) {
  (void)ask_now(request_for("vault"));
  settings_.cache = false;
  configure(settings_);
  EXPECT_EQ(broker_.cache().count(), 0U);
}

}  // namespace
}  // namespace msi2imds::broker
