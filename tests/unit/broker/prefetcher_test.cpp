// SPDX-License-Identifier: MIT
#include "broker/prefetcher.hpp"

#include "unit/broker/fixture.hpp"

namespace msi2imds::broker {
namespace {

std::vector<TokenRequest> ahead(int count) {
  std::vector<TokenRequest> requests;
  requests.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    requests.push_back(request_for("ahead" + std::to_string(i), Holder().uid));
  }
  return requests;
}

FetchResult not_found() {
  return refusal(R"({"error":"invalid_request","error_description":"Identity not found"})");
}

class PrefetcherTest : public BrokerTest {
 protected:
  void imds_is_away_for(seconds time) {
    source_.answer = [this, until = clock_.steady() + time](const TokenRequest& /*request*/) {
      return clock_.steady() < until
                 ? failure()
                 : FetchResult(token::TokenResponse(make_token(clock_.wall() + source_.lifetime)));
    };
  }
  // The names of what was asked of IMDS, in this order.
  [[nodiscard]] std::vector<std::string> asked_for() const {
    std::vector<std::string> names;
    names.reserve(source_.starts.size());
    for (const FakeSource::Start& start : source_.starts) {
      names.push_back(start.request.resource);
    }
    return names;
  }
  [[nodiscard]] std::vector<SteadyTime> times_of(std::string_view prefix) const {
    std::vector<SteadyTime> times;
    for (const FakeSource::Start& start : source_.starts) {
      if (start.request.resource.starts_with(prefix)) {
        times.push_back(start.at);
      }
    }
    return times;
  }

  Prefetcher prefetcher_{io_, broker_, clock_};
};

TEST_F(PrefetcherTest, FetchesAtMostTwoASecondAndTheFirstOnesFirst) {
  prefetcher_.prefetch(ahead(50));
  clock_.advance(minutes(1));
  ASSERT_EQ(sent(), 50U);
  EXPECT_EQ(asked_for()[0], "ahead0");
  EXPECT_EQ(asked_for()[49], "ahead49");
  EXPECT_LE(most_starts_in_a_second(), 2U);
  EXPECT_LE(source_.most_running, 1);
}

TEST_F(PrefetcherTest, CallersFindTheTokenInTheCache) {
  prefetcher_.prefetch(ahead(1));
  clock_.advance(seconds(1));
  const FetchResult result = ask_now(request_for("ahead0"));
  EXPECT_TRUE(is_token(result));
  EXPECT_EQ(result.origin, token::Origin::cache);
  EXPECT_EQ(sent(), 1U);
  EXPECT_EQ(broker_.counters().asked, 0U);
}

TEST_F(PrefetcherTest, CallersGoBefore) {
  settings_.max_rate = 1;
  configure(settings_);
  (void)ask(request_for("caller first"));
  prefetcher_.prefetch(ahead(3));
  clock_.settle();
  for (int i = 0; i < 10; ++i) {
    (void)ask(request_for("caller" + std::to_string(i)));
  }
  clock_.advance(seconds(30));
  const auto names = asked_for();
  ASSERT_EQ(names.size(), 14U);
  for (std::size_t place = 0; place < 11; ++place) {
    EXPECT_TRUE(names[place].starts_with("caller")) << place << " is " << names[place];
  }
}

TEST_F(PrefetcherTest, ALongWaitForATurnIsNotMadeUpFor) {
  for (int i = 0; i < 200; ++i) {
    (void)ask(request_for("caller" + std::to_string(i)));
  }
  prefetcher_.prefetch(ahead(10));
  clock_.advance(minutes(1));
  const auto times = times_of("ahead");
  ASSERT_EQ(times.size(), 10U);
  for (std::size_t i = 2; i < times.size(); ++i) {
    EXPECT_GT(times[i] - times[i - 2], seconds(1)) << i;
  }
}

TEST_F(PrefetcherTest, PassesOverWhatIsThereAndWhatCallersAskFor) {
  (void)ask(request_for("ahead0"));
  clock_.advance(seconds(1));
  source_.delay = seconds(5);
  (void)ask(request_for("ahead1"));
  prefetcher_.prefetch(ahead(3));
  clock_.advance(minutes(1));
  EXPECT_EQ(asked_for(), (std::vector<std::string>{"ahead0", "ahead1", "ahead2"}));
}

TEST_F(PrefetcherTest, WhatACallerAskedForInVainIsFetchedLater) {
  imds_is_away_for(seconds(120));
  const CallPtr call = ask(request_for("ahead0"));
  prefetcher_.prefetch(ahead(1));
  clock_.advance(seconds(100));
  ASSERT_TRUE(call->result);
  EXPECT_FALSE(*call->result);
  clock_.advance(seconds(60));
  EXPECT_TRUE(is_token(ask_now(request_for("ahead0"))));
}

TEST_F(PrefetcherTest, ACallerWhoJoinsIsServedWithAllPatience) {
  imds_is_away_for(seconds(40));
  source_.delay = seconds(1);
  prefetcher_.prefetch(ahead(1));
  clock_.settle();
  const CallPtr call = ask(request_for("ahead0"));
  clock_.advance(seconds(70));
  ASSERT_TRUE(call->result);
  EXPECT_TRUE(is_token(*call->result));
}

TEST_F(PrefetcherTest, AsksAgainWithGrowingPausesWhileImdsIsAway) {
  imds_is_away_for(minutes(5));
  prefetcher_.prefetch(ahead(10));
  clock_.advance(minutes(5));
  EXPECT_GE(sent(), 10U);
  EXPECT_LE(sent(), 16U) << "after 2, 6, 14, 30 s and then every 30 s";
  clock_.advance(seconds(30 + 10));
  EXPECT_EQ(broker_.cache().count(), 10U);
}

TEST_F(PrefetcherTest, GivesUpWhenImdsStaysAway) {
  imds_is_away_for(hours(2));
  prefetcher_.prefetch(ahead(10));
  clock_.advance(minutes(11));
  const std::size_t before = sent();
  clock_.advance(hours(1));
  EXPECT_EQ(sent(), before);
}

TEST_F(PrefetcherTest, ARefusalIsFinal) {
  source_.answer_next(refusal());
  prefetcher_.prefetch(ahead(2));
  clock_.advance(minutes(20));
  EXPECT_EQ(asked_for(), (std::vector<std::string>{"ahead0", "ahead1"}));
}

TEST_F(PrefetcherTest, AnIdentityMayBeMissingForAWhileAfterBoot) {
  clock_.set_uptime(seconds(20));
  source_.answer_next(not_found());
  source_.answer_next(not_found());
  prefetcher_.prefetch(ahead(1));
  clock_.advance(minutes(1));
  EXPECT_EQ(sent(), 3U);
  EXPECT_EQ(broker_.cache().count(), 1U);
}

TEST_F(PrefetcherTest, LaterAMissingIdentityIsARefusal) {
  source_.answer_next(not_found());
  prefetcher_.prefetch(ahead(1));
  clock_.advance(minutes(20));
  EXPECT_EQ(sent(), 1U);
}

TEST_F(PrefetcherTest, LeavesImdsAloneForAsLongAsItAsksFor) {
  source_.answer_next(failure(token::Remedy::retry_later, seconds(90)));
  prefetcher_.prefetch(ahead(2));
  clock_.advance(seconds(89));
  EXPECT_EQ(sent(), 1U);
  clock_.advance(seconds(3));
  EXPECT_EQ(sent(), 3U);
}

TEST_F(PrefetcherTest, OneThatAlwaysFailsHoldsUpNoOther) {
  source_.answer = [this](const TokenRequest& request) {
    return request.resource == "ahead0"
               ? failure(token::Remedy::retry_briefly)
               : FetchResult(token::TokenResponse(make_token(clock_.wall() + source_.lifetime)));
  };
  prefetcher_.prefetch(ahead(10));
  clock_.advance(seconds(20));
  EXPECT_EQ(broker_.cache().count(), 9U);
}

TEST_F(PrefetcherTest, AnotherListTakesThePlaceOfWhatIsLeft) {
  prefetcher_.prefetch(ahead(100));
  clock_.advance(seconds(10));
  prefetcher_.prefetch({request_for("other")});
  clock_.advance(minutes(1));
  EXPECT_EQ(asked_for().back(), "other");
  EXPECT_LE(sent(), 21U);
}

TEST_F(PrefetcherTest, AnotherListIsInForceWhileAnAttemptIsUnderWay) {
  source_.delay = seconds(5);
  imds_is_away_for(seconds(3));
  prefetcher_.prefetch(ahead(1));
  clock_.advance(seconds(1));
  prefetcher_.prefetch({});
  clock_.advance(minutes(5));
  EXPECT_EQ(sent(), 1U) << "what failed is not asked for again";
}

TEST_F(PrefetcherTest, WhenNothingIsLeftALaterListIsOfNoUse) {
  prefetcher_.prefetch(ahead(1));
  clock_.advance(seconds(10));
  prefetcher_.prefetch(ahead(5));
  clock_.advance(minutes(1));
  EXPECT_EQ(sent(), 1U);
}

TEST_F(PrefetcherTest, PushesNothingOutOfTheCache) {
  settings_.max_bytes = 65536;
  configure(settings_);
  (void)ask(request_for("a caller's"));
  prefetcher_.prefetch(ahead(500));
  clock_.advance(minutes(10));
  EXPECT_GT(broker_.cache().count(), 50U);
  EXPECT_LT(broker_.cache().count(), 200U);
  EXPECT_EQ(sent(), broker_.cache().count());
  EXPECT_TRUE(is_token(ask_now(request_for("a caller's"))));
}

}  // namespace
}  // namespace msi2imds::broker
