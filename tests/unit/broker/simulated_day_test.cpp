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

}  // namespace
}  // namespace msi2imds::broker
