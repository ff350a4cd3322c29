// SPDX-License-Identifier: MIT
#include "unit/broker/fixture.hpp"

namespace msi2imds::broker {
namespace {

class QuotaTest : public BrokerTest {
 protected:
  std::vector<CallPtr> ask_for_many(const std::string& name, int count, std::uint32_t uid = kAlice) {
    std::vector<CallPtr> calls;
    for (int i = 0; i < count; ++i) {
      calls.push_back(ask(request_for(name + std::to_string(i), uid)));
    }
    return calls;
  }
  // How many requests went out before that one; all of them when it did not go out.
  [[nodiscard]] std::size_t place_of(std::string_view resource) const {
    std::size_t place = 0;
    while (place < sent() && source_.starts[place].request.resource != resource) {
      ++place;
    }
    return place;
  }
};

std::size_t count_tokens(const std::vector<CallPtr>& calls) {
  return static_cast<std::size_t>(std::count_if(calls.begin(), calls.end(), [](const CallPtr& call) {
    return call->result && is_token(*call->result);
  }));
}

bool is_busy(const Call& call) {
  return call.result && !*call.result && call.result->error().remedy == token::Remedy::come_back;
}

TEST_F(QuotaTest, AThousandKeysAtOnceKeepToTheRateAndAreAllServed) {
  source_.delay = milliseconds(100);
  const auto calls = ask_for_many("r", 1000);
  clock_.advance(seconds(75));
  EXPECT_EQ(count_tokens(calls), 1000U);
  EXPECT_EQ(sent(), 1000U);
  EXPECT_LE(most_starts_in_a_second(), 20U);
  EXPECT_LE(source_.most_running, 5);
}

TEST_F(QuotaTest, MeasuresHowLongTurnsAreWaitedFor) {
  const auto calls = ask_for_many("r", 100);
  clock_.advance(seconds(10));
  EXPECT_EQ(count_tokens(calls), 100U);
  const Histogram& waits = broker_.counters().quota_waits;
  EXPECT_EQ(waits.count(), 100U);
  EXPECT_NEAR(waits.sum(), 100 * 99 / 2.0 * 0.0556, 30) << "evenly spaced, a tenth below 20 a second";
  EXPECT_GT(broker_.cache().oldest(clock_.boot()), seconds(4));
}

TEST_F(QuotaTest, SlowAnswersKeepToFiveAtATime) {
  source_.delay = seconds(2);
  const auto calls = ask_for_many("r", 100);
  clock_.advance(seconds(41));
  EXPECT_EQ(source_.most_running, 5);
  EXPECT_EQ(count_tokens(calls), 100U);
}

TEST_F(QuotaTest, TheRateIsUsed) {
  (void)ask_for_many("r", 1000);
  clock_.advance(seconds(10));
  EXPECT_GE(sent(), 170U);
}

TEST_F(QuotaTest, ARequestInPlaceOfOneInVainCostsATurn) {
  source_.vain_for = nanoseconds(0);
  const auto calls = ask_for_many("r", 100);
  clock_.advance(seconds(20));
  EXPECT_EQ(count_tokens(calls), 100U);
  EXPECT_EQ(sent(), 200U);
  EXPECT_EQ(broker_.counters().sent, 200U);
  EXPECT_LE(most_starts_in_a_second(), 20U);
  EXPECT_LE(source_.most_running, 5);
}

TEST_F(QuotaTest, ARequestInPlaceOfOneInVainComesBeforeTheSameUsersOthers) {
  source_.vain_for = nanoseconds(0);
  (void)ask_for_many("r", 20);
  clock_.advance(seconds(5));
  ASSERT_EQ(sent(), 40U);
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(source_.starts[2 * i].request.resource, "r" + std::to_string(i));
    EXPECT_EQ(source_.starts[2 * i + 1].request.resource, "r" + std::to_string(i));
  }
}

TEST_F(QuotaTest, ARequestBesideAnotherOneCountsAsOneMoreAtATime) {
  source_.second_place = token::Place::behind;
  source_.vain_for = seconds(3);
  source_.delay = milliseconds(100);
  const auto calls = ask_for_many("r", 10);
  clock_.advance(seconds(30));
  EXPECT_EQ(count_tokens(calls), 10U);
  EXPECT_EQ(sent(), 20U);
  EXPECT_EQ(source_.most_running, 5);
}

TEST_F(QuotaTest, ATurnIsTakenForAsLongAsItIsHeld) {
  settings_.max_in_flight = 2;
  configure(settings_);
  source_.vain_for = hours(1);
  const CallPtr first = ask(request_for("first"));
  clock_.advance(seconds(1));
  EXPECT_TRUE(first->result);
  const CallPtr second = ask(request_for("second"));
  clock_.advance(seconds(60));
  EXPECT_FALSE(second->result) << "one turn is held by the first request in vain, the other by the second";
  EXPECT_EQ(source_.most_running, 2);
}

TEST_F(QuotaTest, BypassingRequestsKeepToTheRate) {
  for (int second = 0; second < 5; ++second) {
    for (int i = 0; i < 50; ++i) {
      (void)ask(bypassing("r" + std::to_string(i)));
    }
    clock_.advance(seconds(1));
  }
  EXPECT_GE(sent(), 85U);
  EXPECT_LE(most_starts_in_a_second(), 20U);
}

TEST_F(QuotaTest, LimitsAreSettings) {
  settings_.max_rate = 4;
  settings_.max_in_flight = 2;
  configure(settings_);
  source_.delay = seconds(1);
  (void)ask_for_many("r", 40);
  clock_.advance(seconds(10));
  EXPECT_LE(most_starts_in_a_second(), 4U);
  EXPECT_EQ(source_.most_running, 2);

  settings_.max_rate = 100;
  settings_.max_in_flight = 10;
  configure(settings_);
  clock_.advance(seconds(2));
  EXPECT_EQ(source_.most_running, 10);
}

TEST_F(QuotaTest, AnotherUserIsServedWithinAFewTurns) {
  (void)ask_for_many("alice", 500);
  clock_.advance(seconds(1));
  const std::size_t before = sent();
  const CallPtr bob = ask(request_for("bob", kBob));
  clock_.advance(seconds(1));
  EXPECT_TRUE(bob->result);
  EXPECT_LE(place_of("bob") - before, 2U);
}

TEST_F(QuotaTest, ManyUidsOfOneOwnerTakeTurnsAsOneUser) {
  std::vector<CallPtr> calls;
  for (std::uint32_t uid = 100000; uid < 100500; ++uid) {
    token::TokenRequest request = request_for("alice" + std::to_string(uid));
    request.asker = {.owner = kAlice, .uid = uid};
    calls.push_back(ask(request));
  }
  clock_.advance(seconds(1));
  const std::size_t before = sent();
  const CallPtr bob = ask(request_for("bob", kBob));
  clock_.advance(seconds(1));
  EXPECT_TRUE(bob->result);
  EXPECT_LE(place_of("bob") - before, 2U);
  clock_.advance(seconds(60));
  EXPECT_EQ(count_tokens(calls), 500U) << "and none of hers is forgotten";
}

TEST_F(QuotaTest, TheUidsOfOneOwnerTakeTurnsAsWell) {
  const auto ask_as = [&](const std::string& resource, std::uint32_t uid) {
    token::TokenRequest request = request_for(resource);
    request.asker = {.owner = kAlice, .uid = uid};
    return ask(request);
  };
  for (int i = 0; i < 500; ++i) {
    (void)ask_as("greedy" + std::to_string(i), 100000);
  }
  clock_.advance(seconds(1));
  const std::size_t before = sent();
  (void)ask_as("modest", 100001);
  clock_.advance(seconds(1));
  EXPECT_LE(place_of("modest") - before, 2U);
}

TEST_F(QuotaTest, WhoseOwnersQueueIsTooLongIsToldAtOnce) {
  for (std::uint32_t uid = 100000; uid < 103000; ++uid) {
    token::TokenRequest request = request_for("r" + std::to_string(uid));
    request.asker = {.owner = kAlice, .uid = uid};
    const CallPtr call = ask(request);
    if (uid == 102999) {
      EXPECT_TRUE(is_busy(*call));
    }
  }
  EXPECT_FALSE(is_busy(*ask(request_for("bob", kBob))));
}

// Each of the many others comes before him once, not as often as he asks.
TEST_F(QuotaTest, WhoAsksForSomethingMoreIsNotRefusedBecauseOfManyWhoAskOnce) {
  for (std::uint32_t uid = 3000; uid < 3100; ++uid) {
    (void)ask(request_for("of" + std::to_string(uid), uid));
  }
  std::vector<CallPtr> calls = ask_for_many("alice", 50);
  for (std::uint32_t uid = 100000; uid < 100100; ++uid) {
    token::TokenRequest request = request_for("of" + std::to_string(uid));
    request.asker = {.owner = kBob, .uid = uid};
    (void)ask(request);
  }
  for (int i = 0; i < 50; ++i) {
    token::TokenRequest request = request_for("bob" + std::to_string(i));
    request.asker = {.owner = kBob, .uid = 100000};
    calls.push_back(ask(request));
  }
  EXPECT_EQ(broker_.counters().refused_busy, 0U);
  clock_.advance(seconds(20));
  EXPECT_EQ(count_tokens(calls), calls.size());
}

TEST_F(QuotaTest, AUserWithTheHighestNumberIsServedAsSoon) {
  (void)ask_for_many("bob", 500, kBob);
  clock_.advance(seconds(1));
  const std::size_t before = sent();
  (void)ask(request_for("alice", kAlice));
  (void)ask(request_for("unknown", Holder().uid));
  clock_.advance(seconds(1));
  EXPECT_LE(place_of("alice") - before, 3U);
  EXPECT_LE(place_of("unknown") - before, 3U);
}

TEST_F(QuotaTest, AUserWhoJoinsARequestInAnotherUsersQueueBringsItForward) {
  (void)ask_for_many("alice", 500);
  clock_.advance(seconds(1));
  const std::size_t before = sent();
  const CallPtr bob = ask(request_for("alice499", kBob));
  clock_.advance(seconds(1));
  EXPECT_TRUE(bob->result);
  EXPECT_LE(place_of("alice499") - before, 2U);
  clock_.advance(seconds(60));
  EXPECT_EQ(sent(), 500U);
}

TEST_F(QuotaTest, AUserWhoAlwaysBypassesDelaysOnlyHimself) {
  source_.delay = milliseconds(200);
  for (int i = 0; i < 300; ++i) {
    (void)ask(bypassing("alice" + std::to_string(i)));
  }
  const CallPtr bob = ask(request_for("bob", kBob));
  clock_.advance(seconds(1));
  EXPECT_TRUE(bob->result);
}

TEST_F(QuotaTest, AHopelessQueueIsRefusedAtOnce) {
  const auto calls = ask_for_many("r", 2000);
  const Call& last = *calls.back();
  ASSERT_TRUE(is_busy(last));
  ASSERT_TRUE(last.result->error().retry_after);
  EXPECT_GE(*last.result->error().retry_after, seconds(60));
  EXPECT_LE(*last.result->error().retry_after, seconds(80));
  EXPECT_GT(broker_.counters().refused_busy, 500U);
  clock_.advance(seconds(80));
  EXPECT_EQ(sent(), 2000U - broker_.counters().refused_busy);
}

TEST_F(QuotaTest, AHopelessQueueOfOneUserIsNoHindranceToAnother) {
  (void)ask_for_many("alice", 2000);
  const CallPtr bob = ask(request_for("bob", kBob));
  clock_.advance(seconds(1));
  ASSERT_TRUE(bob->result);
  EXPECT_TRUE(is_token(*bob->result));
}

TEST_F(QuotaTest, WhoGetsNoTurnInTimeIsToldToComeBack) {
  source_.delay = seconds(60);
  const auto calls = ask_for_many("r", 20);
  clock_.advance(seconds(75));
  ASSERT_TRUE(is_busy(*calls.back()));
  EXPECT_GE(calls.back()->result->error().retry_after.value_or(seconds(0)), seconds(1));
  EXPECT_EQ(calls.back()->waited(), seconds(75));
  clock_.advance(minutes(10));
  EXPECT_EQ(sent(), 10U) << "nobody waits for the others any more";
}

TEST_F(QuotaTest, AHopelessQueueIsNoReasonToKeepAValidTokenBack) {
  source_.lifetime = hours(24);
  (void)ask_now(request_for("vault"));
  clock_.advance(hours(24) - minutes(4));
  (void)ask_for_many("r", 2000);
  EXPECT_TRUE(is_token(ask_now(request_for("vault"))));
}

TEST_F(QuotaTest, ASilentImdsIsNoReasonToKeepAValidTokenBack) {
  (void)ask_now(request_for("vault"));
  clock_.advance(hours(24) - minutes(4));
  source_.delay = hours(1);
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(seconds(75));
  ASSERT_TRUE(call->result);
  EXPECT_TRUE(is_token(*call->result));
}

}  // namespace
}  // namespace msi2imds::broker
