// SPDX-License-Identifier: MIT
#include "unit/broker/fixture.hpp"

namespace msi2imds::broker {
namespace {

class FlightTest : public BrokerTest {};

TEST_F(FlightTest, AThousandCallersShareOneRequest) {
  source_.delay = seconds(1);
  std::vector<CallPtr> calls;
  for (std::uint32_t uid = 0; uid < 1000; ++uid) {
    calls.push_back(ask(request_for("vault", uid)));
  }
  clock_.advance(seconds(1));
  EXPECT_EQ(sent(), 1U);
  for (const CallPtr& call : calls) {
    ASSERT_TRUE(call->result && is_token(*call->result));
  }
}

TEST_F(FlightTest, EachAnswerTellsWhereItComesFrom) {
  source_.delay = seconds(1);
  const CallPtr first = ask(request_for("vault"));
  const CallPtr second = ask(request_for("vault"));
  clock_.advance(seconds(1));
  ASSERT_TRUE(first->result && second->result);
  EXPECT_EQ(first->result->origin, token::Origin::imds);
  EXPECT_EQ(second->result->origin, token::Origin::joined);
  EXPECT_EQ(ask_now(request_for("vault")).origin, token::Origin::cache);

  clock_.advance(hours(24) - minutes(2));  // fresh no more, valid still
  source_.answer = [](const TokenRequest&) { return failure(); };
  const CallPtr third = ask(request_for("vault"));
  clock_.advance(seconds(10));
  ASSERT_TRUE(third->result);
  EXPECT_EQ(third->result->origin, token::Origin::cache);
}

TEST_F(FlightTest, DifferentKeysFlyApart) {
  source_.delay = seconds(1);
  const CallPtr vault = ask(request_for("vault"));
  const CallPtr storage = ask(request_for("storage"));
  const CallPtr as_other = ask(request_as("b"));
  clock_.advance(seconds(2));
  EXPECT_EQ(sent(), 3U);
  ASSERT_TRUE(vault->result && storage->result && as_other->result);
  EXPECT_NE(token_of(*vault->result), token_of(*storage->result));
  EXPECT_NE(token_of(*vault->result), token_of(*as_other->result));
}

TEST_F(FlightTest, AnIdentityInAnyLetterCaseIsTheSame) {
  source_.delay = seconds(1);
  const CallPtr lower = ask(request_as("abc-1"));
  const CallPtr upper = ask(request_as("ABC-1"));
  clock_.advance(seconds(1));
  EXPECT_EQ(sent(), 1U);
  ASSERT_TRUE(lower->result && upper->result);
  EXPECT_EQ(token_of(*lower->result), token_of(*upper->result));
  EXPECT_TRUE(is_token(ask_now(request_as("Abc-1"))));
}

TEST_F(FlightTest, ARefusalGoesToAllWhoWait) {
  source_.delay = seconds(1);
  source_.answer_next(refusal());
  const CallPtr first = ask(request_for("vault"));
  const CallPtr second = ask(request_for("vault"));
  clock_.advance(seconds(1));
  ASSERT_TRUE(first->result && second->result);
  EXPECT_TRUE(is_refusal(*first->result));
  EXPECT_TRUE(is_refusal(*second->result));
}

TEST_F(FlightTest, ACallerWhoGivesUpCancelsNothingForTheOthers) {
  source_.delay = seconds(80);
  const CallPtr first = ask(request_for("vault"));
  clock_.advance(seconds(10));
  const CallPtr second = ask(request_for("vault"));
  clock_.advance(seconds(65));
  ASSERT_TRUE(first->result);
  EXPECT_FALSE(*first->result);
  EXPECT_FALSE(second->result);
  clock_.advance(seconds(5));
  ASSERT_TRUE(second->result);
  EXPECT_TRUE(is_token(*second->result));
  EXPECT_EQ(sent(), 1U);
}

TEST_F(FlightTest, AnAnswerThatComesAfterTheLastCallerLeftIsKept) {
  source_.delay = seconds(80);
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(seconds(80));
  ASSERT_TRUE(call->result);
  EXPECT_FALSE(*call->result);
  EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
  EXPECT_EQ(sent(), 1U);
}

TEST_F(FlightTest, ARequestThatNobodyWaitsForAnyMoreIsNotRepeated) {
  source_.delay = seconds(80);
  source_.answer_next(failure());
  (void)ask(request_for("vault"));
  clock_.advance(minutes(10));
  EXPECT_EQ(sent(), 1U);
}

TEST_F(FlightTest, WhoComesAfterTheAnswerStartsAnew) {
  source_.answer_next(refusal());
  EXPECT_TRUE(is_refusal(ask_now(request_for("vault"))));
  clock_.advance(seconds(1));
  EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
  EXPECT_EQ(sent(), 2U);
}

TEST_F(FlightTest, BypassingRequestsShareOneFlightOfTheirOwn) {
  source_.delay = seconds(1);
  const CallPtr plain = ask(request_for("vault"));
  const CallPtr first = ask(bypassing("vault"));
  const CallPtr second = ask(bypassing("vault"));
  clock_.advance(seconds(2));
  ASSERT_EQ(sent(), 2U);
  EXPECT_FALSE(source_.starts[0].request.bypass_cache);
  EXPECT_TRUE(source_.starts[1].request.bypass_cache);
  ASSERT_TRUE(plain->result && first->result && second->result);
  EXPECT_EQ(token_of(*first->result), token_of(*second->result));
  EXPECT_NE(token_of(*first->result), token_of(*plain->result));
}

TEST_F(FlightTest, CountsHowCallersWereAnswered) {
  source_.delay = seconds(1);
  (void)ask(request_for("vault"));
  (void)ask(request_for("vault"));
  clock_.advance(seconds(1));
  (void)ask_now(request_for("vault"));
  EXPECT_EQ(broker_.counters().asked, 1U);
  EXPECT_EQ(broker_.counters().joined, 1U);
  EXPECT_EQ(broker_.counters().from_cache, 1U);
  EXPECT_EQ(broker_.counters().sent, 1U);
  EXPECT_EQ(broker_.counters().refused_busy, 0U);
}

}  // namespace
}  // namespace msi2imds::broker
