// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <exception>

#include "unit/broker/fixture.hpp"

namespace msi2imds::broker {
namespace {

using testing::ElementsAre;

constexpr const char* kNotAssigned =
    R"({"error":"invalid_request","error_description":"Identity not found"})";

class RetryTest : public BrokerTest {
 protected:
  void always(FetchResult result) {
    source_.answer = [result = std::move(result)](const TokenRequest& /*request*/) { return result; };
  }
  // IMDS is away for so long.
  void away_for(nanoseconds duration) {
    source_.answer = [this, end = clock_.steady() + duration](const TokenRequest& /*request*/) {
      return clock_.steady() < end ? failure()
                                   : FetchResult(token::TokenResponse(make_token(clock_.wall() + hours(24))));
    };
  }
  CallPtr ask_and_wait() {
    CallPtr call = ask(request_for("vault"));
    clock_.advance(minutes(2));
    EXPECT_TRUE(call->result);
    return call;
  }
  const SteadyTime begin_ = clock_.steady();
};

TEST_F(RetryTest, WaitsLongerAfterEachFailure) {
  always(failure());
  (void)ask_and_wait();
  EXPECT_THAT(start_times(begin_), ElementsAre(0, 2, 8, 22, 52, 72));
}

TEST_F(RetryTest, GivesUpWithTheLastFailureInsideTheDeadline) {
  always(failure());
  const CallPtr call = ask_and_wait();
  ASSERT_FALSE(*call->result);
  EXPECT_EQ(call->result->error().error.message(), "scripted");
  EXPECT_LE(call->waited(), seconds(75));
}

TEST_F(RetryTest, AnUpdateOfSeventySecondsEndsInAToken) {
  away_for(seconds(70));
  const CallPtr call = ask_and_wait();
  EXPECT_TRUE(is_token(*call->result));
  EXPECT_LE(call->waited(), seconds(75));
}

TEST_F(RetryTest, AnUpdateOfAFewSecondsEndsInATokenSoon) {
  away_for(seconds(5));
  const CallPtr call = ask_and_wait();
  EXPECT_TRUE(is_token(*call->result));
  EXPECT_EQ(call->waited(), seconds(8));
}

TEST_F(RetryTest, ASilentImdsIsWaitedForNoLongerThanTheDeadline) {
  source_.delay = hours(1);
  const CallPtr call = ask_and_wait();
  EXPECT_FALSE(*call->result);
  EXPECT_EQ(call->waited(), seconds(75));
}

TEST_F(RetryTest, TheDeadlineIsASetting) {
  settings_.deadline = seconds(10);
  configure(settings_);
  always(failure());
  const CallPtr call = ask_and_wait();
  EXPECT_LE(call->waited(), seconds(10));
  EXPECT_THAT(start_times(begin_), ElementsAre(0, 2, 7));
}

TEST_F(RetryTest, WhoComesLateHasADeadlineOfHisOwn) {
  away_for(seconds(100));
  const CallPtr early = ask(request_for("vault"));
  clock_.advance(seconds(40));
  const CallPtr late = ask(request_for("vault"));
  clock_.advance(seconds(80));
  ASSERT_TRUE(early->result && late->result);
  EXPECT_FALSE(*early->result);
  EXPECT_EQ(early->waited(), seconds(75));
  EXPECT_TRUE(is_token(*late->result));
  EXPECT_LE(late->waited(), seconds(75));
}

TEST_F(RetryTest, ALongerRetryAfterIsHonoured) {
  source_.answer_next(failure(token::Remedy::retry_later, seconds(30)));
  const CallPtr call = ask_and_wait();
  EXPECT_TRUE(is_token(*call->result));
  EXPECT_THAT(start_times(begin_), ElementsAre(0, 30));
}

TEST_F(RetryTest, AShorterRetryAfterDoesNotHurryUs) {
  source_.answer_next(failure(token::Remedy::retry_later, seconds(1)));
  (void)ask_and_wait();
  EXPECT_THAT(start_times(begin_), ElementsAre(0, 2));
}

TEST_F(RetryTest, WhoCouldAskNobodyTriesEveryTwoSeconds) {
  settings_.deadline = seconds(15);
  configure(settings_);
  always(failure(token::Remedy::retry_soon));
  (void)ask_and_wait();
  EXPECT_THAT(start_times(begin_), ElementsAre(0, 2, 4, 6, 8, 10, 12));
}

TEST_F(RetryTest, AnAnswerWithoutSenseIsAskedForThreeTimes) {
  always(failure(token::Remedy::retry_briefly));
  const CallPtr call = ask_and_wait();
  EXPECT_FALSE(*call->result);
  EXPECT_EQ(call->waited(), seconds(2));
  EXPECT_THAT(start_times(begin_), ElementsAre(0, 1, 2));
}

// Attempts that end with a time-out of 15 s would be 0, 17, 38 and 67 s after the begin.
TEST_F(RetryTest, NoSlowAttemptIsUnderWayAtTheLastChance) {
  source_.answer = [this](const TokenRequest& /*request*/) {
    const bool is_away = clock_.steady() < begin_ + seconds(70);
    source_.delay = seconds(is_away ? 15 : 0);
    return is_away ? failure() : FetchResult(token::TokenResponse(make_token(clock_.wall() + hours(24))));
  };
  const CallPtr call = ask_and_wait();
  EXPECT_TRUE(is_token(*call->result));
  EXPECT_THAT(start_times(begin_), ElementsAre(0, 17, 38, 72));
}

TEST_F(RetryTest, TwoRequestsOfOneAttemptDoNotLengthenTheWait) {
  source_.vain_for = nanoseconds(0);
  source_.answer_next(failure());
  const CallPtr call = ask_and_wait();
  EXPECT_TRUE(is_token(*call->result));
  EXPECT_EQ(sent(), 4U);
  EXPECT_LT(call->waited(), milliseconds(2200));
}

TEST_F(RetryTest, ARetryAfterBeyondTheDeadlineIsToldAtOnce) {
  source_.answer_next(failure(token::Remedy::retry_later, seconds(100)));
  const CallPtr call = ask_and_wait();
  ASSERT_FALSE(*call->result);
  EXPECT_EQ(call->result->error().remedy, token::Remedy::leave_alone);
  EXPECT_EQ(call->result->error().retry_after, seconds(100));
  EXPECT_EQ(call->result->error().error.message(), "leave IMDS alone for 100 s: scripted");
  EXPECT_EQ(call->waited(), seconds(0));
  EXPECT_EQ(sent(), 1U);
}

TEST_F(RetryTest, ARetryAfterBeyondTheDeadlineOfOneCallerIsToldToThatOne) {
  away_for(seconds(38));
  const CallPtr early = ask(request_for("vault"));
  clock_.advance(seconds(45));  // attempts after 0, 2, 8 and 22 s
  const CallPtr late = ask(request_for("vault"));
  source_.answer_next(failure(token::Remedy::retry_later, seconds(40)));
  clock_.advance(seconds(7));  // the next one is after 52 s
  ASSERT_TRUE(early->result);
  ASSERT_FALSE(*early->result);
  EXPECT_EQ(early->result->error().remedy, token::Remedy::leave_alone);
  EXPECT_EQ(early->result->error().retry_after, seconds(40));
  EXPECT_FALSE(late->result);
  clock_.advance(seconds(40));
  ASSERT_TRUE(late->result);
  EXPECT_TRUE(is_token(*late->result));
}

TEST_F(RetryTest, AFinalRefusalIsPassedOnAtOnce) {
  always(refusal());
  EXPECT_TRUE(is_refusal(ask_now(request_for("vault"))));
  EXPECT_EQ(sent(), 1U);
}

TEST_F(RetryTest, ARefusalAfterFailuresIsPassedOn) {
  source_.answer_next(failure());
  always(refusal());
  const CallPtr call = ask_and_wait();
  EXPECT_TRUE(is_refusal(*call->result));
  EXPECT_EQ(call->waited(), seconds(2));
}

TEST_F(RetryTest, AnIdentityThatIsNotAssignedYetIsWaitedForAfterBoot) {
  clock_.set_uptime(seconds(290));
  source_.answer_next(refusal(kNotAssigned));
  source_.answer_next(refusal(kNotAssigned));
  const CallPtr call = ask_and_wait();
  EXPECT_TRUE(is_token(*call->result));
  EXPECT_THAT(start_times(begin_), ElementsAre(0, 2, 4));
}

TEST_F(RetryTest, AnIdentityThatIsNeverAssignedIsRefusedAfterAWhile) {
  clock_.set_uptime(seconds(10));
  always(refusal(kNotAssigned));
  const CallPtr call = ask_and_wait();
  ASSERT_TRUE(is_refusal(*call->result));
  EXPECT_EQ(std::get<token::Refusal>(**call->result).body, kNotAssigned);
  EXPECT_EQ(sent(), 10U);
}

TEST_F(RetryTest, AnIdentityThatIsNamedForTheFirstTimeIsWaitedForBriefly) {
  source_.answer_next(refusal(kNotAssigned));
  source_.answer_next(refusal(kNotAssigned));
  const CallPtr call = ask_and_wait();
  EXPECT_TRUE(is_token(*call->result));
  EXPECT_THAT(start_times(begin_), ElementsAre(0, 1, 3));
}

TEST_F(RetryTest, AWrongIdentityIsRefusedAfterAFewSecondsAndLaterAtOnce) {
  always(refusal(kNotAssigned));
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(seconds(5));
  ASSERT_TRUE(call->result && is_refusal(*call->result));
  EXPECT_EQ(call->waited(), seconds(3));
  EXPECT_EQ(sent(), 3U);
  clock_.advance(seconds(55));
  EXPECT_TRUE(is_refusal(ask_now(request_for("vault"))));
  clock_.advance(seconds(1));
  EXPECT_TRUE(is_refusal(ask_now(request_for("another resource"))));
  EXPECT_EQ(sent(), 5U);
}

TEST_F(RetryTest, AnIdentityThatAnsweredBeforeIsWaitedForBrieflyAtAnyTime) {
  ASSERT_TRUE(is_token(ask_now(request_as("a"))));
  clock_.advance(hours(12));
  source_.answer_next(refusal(kNotAssigned));
  TokenRequest request = request_as("A");
  request.resource = "storage";
  const CallPtr call = ask(request);
  clock_.advance(seconds(5));
  ASSERT_TRUE(call->result);
  EXPECT_TRUE(is_token(*call->result));
  EXPECT_EQ(call->waited(), seconds(1));
}

TEST_F(RetryTest, AnIdentityThatWasTakenAwayIsRefusedAtOnceInTheEnd) {
  ASSERT_TRUE(is_token(ask_now(request_for("vault"))));
  clock_.advance(hours(1));
  always(refusal(kNotAssigned));
  const CallPtr call = ask(request_for("storage"));
  clock_.advance(minutes(1));
  ASSERT_TRUE(call->result && is_refusal(*call->result));
  EXPECT_EQ(call->waited(), seconds(3));
  EXPECT_TRUE(is_refusal(ask_now(request_for("storage"))));
}

TEST_F(RetryTest, AWrongIdentityLeavesTheQuotaToOthers) {
  source_.answer = [this](const TokenRequest& request) {
    return request.identity.value.empty()
               ? FetchResult(token::TokenResponse(make_token(clock_.wall() + hours(24))))
               : refusal(kNotAssigned);
  };
  for (int i = 0; i < 30; ++i) {
    TokenRequest wrong = request_as("wrong" + std::to_string(i));
    wrong.asker = {.owner = kBob, .uid = kBob};
    (void)ask(wrong);
  }
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(milliseconds(300));
  EXPECT_TRUE(call->result);
  clock_.advance(minutes(2));
  EXPECT_EQ(sent(), 30U * 3 + 1);
}

TEST_F(RetryTest, OtherRefusalsArePassedOnAtOnceAfterBootToo) {
  clock_.set_uptime(seconds(10));
  always(refusal());
  EXPECT_TRUE(is_refusal(ask_now(request_for("vault"))));
}

TEST_F(RetryTest, TheGraceAfterBootIsASetting) {
  settings_.boot_grace = seconds(0);
  configure(settings_);
  clock_.set_uptime(seconds(0));
  always(refusal(kNotAssigned));
  const CallPtr call = ask_and_wait();
  EXPECT_TRUE(is_refusal(*call->result));
  EXPECT_EQ(sent(), 3U);
}

asio::awaitable<void> ask_in_vain(TokenBroker& broker) {
  (void)co_await broker.fetch(request_for("vault"));
}

TEST_F(RetryTest, WhoseWaitHasFailedIsWaitedForNoMore) {
  source_.answer_next(failure());
  clock_.fail_wait_until(clock_.steady() + settings_.deadline);
  bool has_failed = false;
  asio::co_spawn(io_, ask_in_vain(broker_),
                 [&has_failed](const std::exception_ptr& exception) { has_failed = exception != nullptr; });
  clock_.advance(minutes(2));
  EXPECT_TRUE(has_failed);
  EXPECT_EQ(sent(), 1U) << "nobody waits for another attempt";
  EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
}

}  // namespace
}  // namespace msi2imds::broker
