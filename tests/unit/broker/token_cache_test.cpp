// SPDX-License-Identifier: MIT
#include "broker/token_cache.hpp"

#include <gtest/gtest.h>

#include <string>

#include "unit/broker/fixture.hpp"

namespace msi2imds::broker {
namespace {

constexpr std::size_t kTokenBytes = 2000;

class TokenCacheTest : public testing::Test {
 protected:
  void keep(const TokenRequest& request, seconds lifetime = hours(24)) {
    const TokenPtr token = make_token(now_.wall + lifetime, std::string(kTokenBytes, 'x'));
    cache_.store(request, {.token = token, .life = Life(*token, now_)}, now_);
  }
  bool is_fresh(const TokenRequest& request) {
    return cache_.find_fresh(key_of(request), now_) != nullptr;
  }
  void advance(seconds duration) {
    now_.boot += duration;
    now_.wall += duration;
  }

  TokenCacheTest() {
    cache_.configure(settings_);
  }

  Settings settings_ = without_max_age();
  TokenMemory memory_;
  TokenCache cache_{memory_};
  Moment now_{.boot = BootTime(hours(1)), .wall = WallTime(seconds(1'800'000'000))};
};

TEST_F(TokenCacheTest, TheLeastRecentlyUsedGoFirst) {
  settings_.max_bytes = 3 * (kTokenBytes + 1000);
  cache_.configure(settings_);
  keep(request_for("a"));
  keep(request_for("b"));
  keep(request_for("c"));
  ASSERT_EQ(cache_.count(), 3U);
  EXPECT_TRUE(is_fresh(request_for("a")));
  keep(request_for("d"));
  EXPECT_TRUE(is_fresh(request_for("a")));
  EXPECT_FALSE(is_fresh(request_for("b")));
  EXPECT_TRUE(is_fresh(request_for("c")));
}

TEST_F(TokenCacheTest, NeverHoldsMoreThanItsBytes) {
  settings_.max_bytes = 100'000;
  cache_.configure(settings_);
  for (int i = 0; i < 1000; ++i) {
    keep(request_for("resource" + std::to_string(i)));
    ASSERT_LE(cache_.bytes(), settings_.max_bytes);
  }
  EXPECT_GT(cache_.count(), 30U);
  EXPECT_GE(cache_.bytes(), cache_.count() * kTokenBytes);
}

TEST_F(TokenCacheTest, ATokenLargerThanTheWholeCacheIsNotKept) {
  settings_.max_bytes = 1000;
  cache_.configure(settings_);
  keep(request_for("a"));
  EXPECT_EQ(cache_.count(), 0U);
  EXPECT_EQ(cache_.bytes(), 0U);
}

TEST_F(TokenCacheTest, AReplacedTokenTakesNoMoreRoom) {
  keep(request_for("a"));
  const std::size_t bytes = cache_.bytes();
  keep(request_for("a"));
  EXPECT_EQ(cache_.bytes(), bytes);
  EXPECT_EQ(cache_.count(), 1U);
}

TEST_F(TokenCacheTest, HoldsAThousandIdentitiesWithFiveResourcesEach) {
  for (int i = 0; i < 5000; ++i) {
    TokenRequest request = request_as("identity" + std::to_string(i / 5));
    request.resource = "resource" + std::to_string(i % 5);
    keep(request);
  }
  EXPECT_EQ(cache_.count(), 5000U);
  EXPECT_LE(cache_.bytes(), settings_.max_bytes);
  TokenRequest one = request_as("IDENTITY999");
  one.resource = "resource4";
  EXPECT_TRUE(is_fresh(one));
}

TEST_F(TokenCacheTest, ATokenIsValidUntilTheLastSecond) {
  keep(request_for("a"));
  advance(hours(24) - seconds(1));
  EXPECT_FALSE(is_fresh(request_for("a")));
  EXPECT_TRUE(cache_.find_valid(key_of(request_for("a")), now_));
  advance(seconds(1));
  EXPECT_FALSE(cache_.find_valid(key_of(request_for("a")), now_));
}

TEST_F(TokenCacheTest, ARequestIsDueOnce) {
  keep(request_for("a"));
  advance(hours(24) - minutes(6));
  (void)is_fresh(request_for("a"));
  EXPECT_EQ(cache_.due_for_refresh(now_).size(), 1U);
  EXPECT_TRUE(cache_.due_for_refresh(now_).empty());
}

TEST_F(TokenCacheTest, ARequestThatCouldNotBeReplacedIsDueAgainAfterHalfAMinute) {
  keep(request_for("a"));
  advance(hours(24) - minutes(6));
  (void)is_fresh(request_for("a"));
  (void)cache_.due_for_refresh(now_);
  cache_.keep_serving(key_of(request_for("a")), now_);
  advance(seconds(29));
  EXPECT_TRUE(cache_.due_for_refresh(now_).empty());
  advance(seconds(1));
  EXPECT_EQ(cache_.due_for_refresh(now_).size(), 1U);
}

TEST_F(TokenCacheTest, WhatHasHoursLeftIsTriedAgainLessOften) {
  keep(request_for("a"));
  (void)is_fresh(request_for("a"));
  cache_.keep_serving(key_of(request_for("a")), now_);
  advance(seconds(149));
  EXPECT_TRUE(cache_.due_for_refresh(now_).empty());
  advance(seconds(1));
  EXPECT_EQ(cache_.due_for_refresh(now_).size(), 1U);
}

TEST_F(TokenCacheTest, LessMemoryTakesEffectAtOnce) {
  keep(request_for("a"));
  keep(request_for("b"));
  settings_.max_bytes = kTokenBytes + 1000;
  cache_.configure(settings_);
  EXPECT_EQ(cache_.count(), 1U);
}

TEST_F(TokenCacheTest, TheOldestIsToldByWhenItCame) {
  EXPECT_EQ(cache_.oldest(now_.boot), nanoseconds(0));
  keep(request_for("a"));
  advance(minutes(5));
  keep(request_for("b"));
  now_.wall += hours(1);
  EXPECT_EQ(cache_.oldest(now_.boot), minutes(5));
}

TEST_F(TokenCacheTest, TheMostUrgentAreDueFirst) {
  keep(request_for("sooner"), seconds(600));
  keep(request_for("later"), seconds(700));
  advance(seconds(390));
  const auto due = cache_.due_for_refresh(now_);
  ASSERT_EQ(due.size(), 2U);
  EXPECT_EQ(due[0].resource, "sooner");
}

TEST_F(TokenCacheTest, WhatWasUsedAnHourAgoIsDue) {
  keep(request_for("a"));
  advance(hours(22) + minutes(54));
  (void)is_fresh(request_for("a"));
  advance(hours(1));
  EXPECT_EQ(cache_.due_for_refresh(now_).size(), 1U);
}

TEST_F(TokenCacheTest, WhatWasLastUsedMoreThanAnHourAgoIsNotDue) {
  keep(request_for("a"));
  advance(hours(22) + minutes(54));
  (void)is_fresh(request_for("a"));
  advance(hours(1) + seconds(1));
  EXPECT_TRUE(cache_.due_for_refresh(now_).empty());
}

TEST_F(TokenCacheTest, ARefreshIsNoUse) {
  keep(request_for("a"));
  advance(minutes(50));
  keep(request_for("a"), minutes(30));
  advance(minutes(24));
  EXPECT_TRUE(cache_.due_for_refresh(now_).empty());
  (void)is_fresh(request_for("a"));
  EXPECT_EQ(cache_.due_for_refresh(now_).size(), 1U);
}

TEST_F(TokenCacheTest, ExpiredTokensAreDropped) {
  keep(request_for("a"), seconds(10));
  advance(seconds(9));
  (void)cache_.due_for_refresh(now_);
  EXPECT_EQ(cache_.count(), 1U);
  advance(seconds(1));
  (void)cache_.due_for_refresh(now_);
  EXPECT_EQ(cache_.count(), 0U);
  EXPECT_EQ(cache_.bytes(), 0U);
}

}  // namespace
}  // namespace msi2imds::broker
