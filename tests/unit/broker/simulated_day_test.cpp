// SPDX-License-Identifier: MIT
#include <cstdio>

#include "support_cpp/run.hpp"
#include "unit/broker/fixture.hpp"

namespace msi2imds::broker {
namespace {

constexpr int kDayKeys = 50;
constexpr int kCallersOfAKey = 4;
constexpr seconds kStep{5};
// What one request here stands for; all of them would take minutes in a debug build.
constexpr int kWeight = kCallersOfAKey * static_cast<int>(kStep.count());

struct Day {
  std::uint64_t tokens = 0;
  std::uint64_t others = 0;
};

class SimulatedDayTest : public BrokerTest {
 protected:
  SimulatedDayTest() {
    configure(Settings());
  }
  asio::awaitable<void> ask_all(Day& day) {
    for (const TokenRequest& request : requests_) {
      const FetchResult result = co_await broker_.fetch(request);
      ++(is_token(result) ? day.tokens : day.others);
    }
  }
  void make_requests() {
    for (int i = 0; i < kDayKeys; ++i) {
      requests_.push_back(request_for("resource" + std::to_string(i), static_cast<std::uint32_t>(i)));
    }
  }
  // Tokens of 2 to 24 hours.
  void vary_lifetimes() {
    source_.answer = [this, turn = 0](const TokenRequest& /*request*/) mutable {
      turn = (turn + 7) % 23;
      return token::TokenResponse(make_token(clock_.wall() + hours(2) + minutes(60 * turn)));
    };
  }

  std::vector<TokenRequest> requests_;
};

TEST_F(SimulatedDayTest, TwoHundredCallersEverySecondCostImdsNextToNothing) {
  make_requests();
  vary_lifetimes();
  Day day;
  const SteadyTime end = clock_.steady() + hours(24);
  while (clock_.steady() < end) {
    const support::Started<void> callers(io_, ask_all(day));
    clock_.advance(kStep);
    ASSERT_TRUE(callers.is_done());
  }

  const double clients = static_cast<double>(day.tokens) * kWeight;
  const double per_ten_thousand = static_cast<double>(sent()) * 10000 / clients;
  std::printf(
      "a day of 200 callers asking every second for %d keys (asked every %ld s, each counted %d times): "
      "%.3f requests to IMDS per 10,000 client requests (%zu for %.0f)\n",
      kDayKeys, static_cast<long>(kStep.count()), kWeight, per_ten_thousand, sent(), clients);
  EXPECT_EQ(day.others, 0U);
  EXPECT_EQ(broker_.counters().asked, static_cast<std::uint64_t>(kDayKeys)) << "nobody waits once it is warm";
  EXPECT_LT(per_ten_thousand, 1);
}

// Each used every half an hour, by a user of its own.
TEST_F(SimulatedDayTest, FiveThousandKeysOfAnHourStayFarInsideTheQuota) {
  constexpr int kManyKeys = 5000;
  constexpr int kParts = 100;
  constexpr hours kDuration(3);  // all of a day would take minutes in a debug build
  constexpr std::size_t kPart = kManyKeys / kParts;
  constexpr seconds kPartStep = seconds(1800) / kParts;
  for (int i = 0; i < kManyKeys; ++i) {
    requests_.push_back(request_for("resource" + std::to_string(i), static_cast<std::uint32_t>(i)));
  }
  vary_lifetimes();
  std::size_t tokens = 0;
  std::vector<CallPtr> calls;
  const SteadyTime begin = clock_.steady();
  for (std::size_t at = 0; clock_.steady() < begin + kDuration; at = (at + kPart) % kManyKeys) {
    calls.clear();
    for (std::size_t i = at; i < at + kPart; ++i) {
      calls.push_back(ask(requests_[i]));
    }
    clock_.advance(kPartStep);
    for (const CallPtr& call : calls) {
      ASSERT_TRUE(call->result && is_token(*call->result));
      ++tokens;
    }
  }

  const std::size_t refreshes = sent() - kManyKeys;
  const double rate = static_cast<double>(refreshes) / std::chrono::duration<double>(kDuration).count();
  std::printf(
      "%ld hours of %d keys, each asked for every 1800 s, replaced after an hour: %zu tokens given out, "
      "%zu refreshes, %.2f a second on average, %zu at most in a second\n",
      static_cast<long>(kDuration.count()), kManyKeys, tokens, refreshes, rate, most_starts_in_a_second());
  EXPECT_EQ(broker_.counters().asked, static_cast<std::uint64_t>(kManyKeys))
      << "nobody waits once it is warm";
  EXPECT_LT(rate, 2.5);
  EXPECT_LE(most_starts_in_a_second(), 20U);
}

}  // namespace
}  // namespace msi2imds::broker
