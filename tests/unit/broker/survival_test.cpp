// SPDX-License-Identifier: MIT
// What a broker leaves to the one that comes after it.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "unit/broker/fixture.hpp"
#include "unit/broker/memory_file.hpp"

namespace msi2imds::broker {
namespace {

class SurvivalTest : public BrokerTest {
 protected:
  SurvivalTest() {
    broker_.keep_in(file_.descriptor(), kIssuer);
  }

  // A process that starts once the one before it has ended without a word; it asks the same IMDS.
  TokenBroker& next_process() {
    processes_.push_back(std::make_unique<TokenBroker>(io_, source_, clock_, settings_));
    processes_.back()->keep_in(file_.descriptor(), kIssuer);
    return *processes_.back();
  }

  using BrokerTest::ask;
  FetchResult ask(TokenBroker& broker, const TokenRequest& request) {
    std::optional<FetchResult> result;
    asio::co_spawn(
        io_, broker.fetch(request),
        [&result](const std::exception_ptr& /*none*/, FetchResult told) { result = std::move(told); });
    clock_.settle();
    for (int i = 0; i < 500 && !result; ++i) {
      clock_.advance(milliseconds(10));
    }
    return result ? *result : failure();
  }
  [[nodiscard]] bool holds(std::string_view text) const {
    return file_.find(text) != std::string::npos;
  }

  MemoryFile file_;
  std::vector<std::unique_ptr<TokenBroker>> processes_;
};

TEST_F(SurvivalTest, ASuccessorHasTheTokens) {
  const FetchResult first = ask(broker_, request_for("a"));
  ASSERT_TRUE(is_token(first));
  source_.answer = [](const TokenRequest& /*any*/) { return failure(); };
  const FetchResult second = ask(next_process(), request_for("a"));
  ASSERT_TRUE(is_token(second));
  EXPECT_EQ(token_of(second)->access_token, token_of(first)->access_token);
  EXPECT_EQ(second.origin, token::Origin::cache);
  EXPECT_EQ(sent(), 1U);
}

// Nobody waits anew for what IMDS could not give the process before.
TEST_F(SurvivalTest, ATokenBeyondItsAgeIsServedAtOnceAndReplacedInTheBackground) {
  settings_.max_age = seconds(100);
  configure(settings_);
  const FetchResult first = ask(broker_, request_for("a"));
  clock_.sleep(seconds(200));
  TokenBroker& next = next_process();
  std::optional<FetchResult> result;
  asio::co_spawn(
      io_, next.fetch(request_for("a")),
      [&result](const std::exception_ptr& /*none*/, FetchResult told) { result = std::move(told); });
  clock_.settle();
  ASSERT_TRUE(result) << "it waits";
  EXPECT_EQ(token_of(*result)->access_token, token_of(first)->access_token);
  clock_.advance(seconds(30));
  EXPECT_NE(token_of(ask(next, request_for("a"))), token_of(*result));
}

TEST_F(SurvivalTest, OfTwoTokensForOneKeyTheLaterIsThere) {
  (void)ask(broker_, request_for("a"));
  const FetchResult later = ask(broker_, bypassing("a"));
  TokenBroker& next = next_process();
  EXPECT_EQ(token_of(ask(next, request_for("a")))->access_token, token_of(later)->access_token);
  EXPECT_EQ(next.cache().count(), 1U);
}

// A process that ends between keeping the new token and wiping the old one leaves both, in any order.
TEST_F(SurvivalTest, OfTwoThatWereLeftTheLaterIsThereAndTheOtherWiped) {
  const auto record = [this](const char* text) {
    const TokenPtr token = make_token(clock_.wall() + hours(1), text);
    return TokenRecord{.request = request_for("a"),
                       .living = {.token = token, .life = Life(*token, clock_.now())},
                       .received = clock_.boot()};
  };
  const TokenRecord earlier = record("earlier-token");
  clock_.advance(seconds(10));
  const TokenRecord later = record("later-token");
  for (const auto& order : {std::pair(earlier, later), std::pair(later, earlier)}) {
    {
      TokenMemory memory;
      ASSERT_TRUE(memory.open(file_.descriptor(), kIssuer, clock_.now()));
      ASSERT_TRUE(memory.put(order.first));
      ASSERT_TRUE(memory.put(order.second));
    }
    TokenBroker& next = next_process();
    EXPECT_EQ(token_of(ask(next, request_for("a")))->access_token, "later-token");
    EXPECT_FALSE(holds("earlier-token"));
    EXPECT_TRUE(holds("later-token"));
    (void)next.flush({}, {});
    EXPECT_FALSE(holds("later-token"));
  }
}

TEST_F(SurvivalTest, AFlushLeavesNothing) {
  source_.answer = [this](const TokenRequest& request) {
    return FetchResult(
        token::TokenResponse(make_token(clock_.wall() + hours(1), "token-of-" + request.resource)));
  };
  (void)ask(broker_, request_for("a"));
  (void)ask(broker_, request_for("b"));
  EXPECT_TRUE(holds("token-of-a"));
  EXPECT_EQ(broker_.flush("a", {}), 1U);
  EXPECT_FALSE(holds("token-of-a"));
  EXPECT_TRUE(holds("token-of-b"));
  EXPECT_EQ(broker_.flush({}, {}), 1U);
  EXPECT_FALSE(holds("token-of-b"));
  EXPECT_EQ(next_process().cache().count(), 0U);
}

TEST_F(SurvivalTest, WhatHasNoRoomInTheCacheLeavesTheMemory) {
  source_.answer = [this](const TokenRequest& request) {
    return FetchResult(token::TokenResponse(
        make_token(clock_.wall() + hours(1), "token-of-" + request.resource + std::string(20'000, 'x'))));
  };
  settings_.max_bytes = 50'000;
  configure(settings_);
  for (const char* name : {"a", "b", "c"}) {
    (void)ask(broker_, request_for(name));
  }
  EXPECT_FALSE(holds("token-of-a"));
  EXPECT_TRUE(holds("token-of-c"));
}

TEST_F(SurvivalTest, TokensLeaveTheMemoryAndComeBackWithTheSettings) {
  source_.answer = [this](const TokenRequest& request) {
    return FetchResult(
        token::TokenResponse(make_token(clock_.wall() + hours(1), "token-of-" + request.resource)));
  };
  (void)ask(broker_, request_for("a"));
  settings_.survive_restart = false;
  configure(settings_);
  EXPECT_FALSE(holds("token-of-a"));
  (void)ask(broker_, request_for("b"));
  EXPECT_FALSE(holds("token-of-b"));
  EXPECT_EQ(broker_.cache().count(), 2U) << "this process has them";
  settings_.survive_restart = true;
  configure(settings_);
  EXPECT_TRUE(holds("token-of-a"));
  EXPECT_TRUE(holds("token-of-b"));
  settings_.cache = false;
  configure(settings_);
  EXPECT_FALSE(holds("token-of-"));
}

TEST_F(SurvivalTest, WhoIsNotToKeepTokensWipesThoseItFinds) {
  (void)ask(broker_, request_for("a"));
  settings_.survive_restart = false;
  EXPECT_EQ(next_process().cache().count(), 0U);
  settings_.survive_restart = true;
  EXPECT_EQ(next_process().cache().count(), 0U);
}

TEST_F(SurvivalTest, TokensThatWereThereBeforeTheMemoryAreKeptInIt) {
  TokenBroker late(io_, source_, clock_, settings_);
  const FetchResult first = ask(late, request_for("a"));
  ASSERT_TRUE(is_token(first));
  late.keep_in(file_.descriptor(), kIssuer);
  EXPECT_EQ(token_of(ask(next_process(), request_for("a")))->access_token, token_of(first)->access_token);
}

// What somebody else has put there must not keep out what is in use.
TEST_F(SurvivalTest, TheLeastRecentlyUsedGiveTheirRoom) {
  source_.answer = [this](const TokenRequest& request) {
    return FetchResult(token::TokenResponse(
        make_token(clock_.wall() + hours(1), "token-of-" + request.resource + std::string(300'000, 'x'))));
  };
  for (const char* name : {"a", "b", "c", "d"}) {
    (void)ask(broker_, request_for(name));
  }
  EXPECT_EQ(broker_.cache().count(), 4U);
  EXPECT_FALSE(holds("token-of-a"));
  EXPECT_TRUE(holds("token-of-d"));
}

TEST_F(SurvivalTest, ASuccessorsTokensAreRefreshedInTime) {
  source_.lifetime = hours(1);
  (void)ask(broker_, request_for("a"));
  (void)next_process();
  ASSERT_EQ(sent(), 1U);
  (void)broker_.flush({}, {});
  clock_.advance(hours(1));
  EXPECT_GT(sent(), 1U);
}

// However often processes end: IMDS counts requests, not processes.
TEST_F(SurvivalTest, TheQuotaHoldsOverManyProcesses) {
  settings_.survive_restart = false;  // which is about tokens
  settings_.max_rate = 20;
  for (int process = 0; process < 100; ++process) {
    EXPECT_TRUE(is_token(ask(next_process(), request_for("of process " + std::to_string(process)))));
  }
  EXPECT_EQ(sent(), 100U);
  EXPECT_LE(most_starts_in_a_second(), settings_.max_rate);
}

TEST_F(SurvivalTest, ANoteFromFarAheadDelaysNobodyForLong) {
  TokenMemory memory;
  ASSERT_TRUE(memory.open(file_.descriptor(), kIssuer, clock_.now()));
  memory.note_next_request(clock_.steady() + hours(100));
  EXPECT_TRUE(is_token(ask(next_process(), request_for("a"))));
}

}  // namespace
}  // namespace msi2imds::broker
