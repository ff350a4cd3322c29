// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/token_broker.hpp"
#include "unit/broker/fake_clock.hpp"

namespace msi2imds::broker {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using token::FetchResult;
using token::TokenRequest;

inline constexpr std::uint32_t kAlice = 1000;
inline constexpr std::uint32_t kBob = 2000;

TokenRequest request_for(std::string resource, std::uint32_t uid = kAlice);
TokenRequest request_as(std::string identity);
TokenRequest bypassing(std::string resource);

// Of tests that are not about max_age.
Settings without_max_age();

TokenPtr make_token(WallTime expires, std::string text = "secret");

// As IMDS says it, whatever its clock shows.
TokenPtr make_token_with(WallTime expires_on, std::optional<seconds> expires_in, WallTime not_before = {});
FetchResult failure(token::Remedy remedy = token::Remedy::retry_later,
                    std::optional<seconds> retry_after = std::nullopt);
FetchResult refusal(std::string body = R"({"error":"invalid_resource"})");

bool is_token(const FetchResult& result);
bool is_refusal(const FetchResult& result);
TokenPtr token_of(const FetchResult& result);

// IMDS: gives a new token for every request unless told otherwise.
class FakeSource final : public token::Upstream {
 public:
  struct Start {
    SteadyTime at;
    TokenRequest request;
  };

  FakeSource(asio::io_context& io, Clock& clock) : io_(io), clock_(clock) {}
  asio::awaitable<FetchResult> fetch(TokenRequest request, std::shared_ptr<token::Quota> quota) override;

  void answer_next(FetchResult result) {
    script_.push_back(std::move(result));
  }

  std::function<FetchResult(const TokenRequest&)> answer;  // once the script is over
  // Each request is in vain at first and sent once more: instead of it, or beside it, which holds its turn
  // for so long.
  std::optional<nanoseconds> vain_for;
  token::Place second_place = token::Place::before;
  seconds lifetime{hours(24)};
  nanoseconds delay{};
  std::vector<Start> starts;
  int running = 0;
  int most_running = 0;

 private:
  asio::awaitable<FetchResult> answer_one(TokenRequest request, token::Turn turn);
  asio::awaitable<void> be_in_vain(TokenRequest request, token::Turn turn);
  FetchResult next_answer(const TokenRequest& request);

  asio::io_context& io_;
  Clock& clock_;
  std::deque<FetchResult> script_;
};

// A caller and what it was told.
struct Call {
  SteadyTime asked;
  SteadyTime answered;
  std::optional<FetchResult> result;

  [[nodiscard]] nanoseconds waited() const {
    return answered - asked;
  }
};
using CallPtr = std::shared_ptr<Call>;

class BrokerTest : public testing::Test {
 protected:
  CallPtr ask(TokenRequest request);

  // For what needs no time.
  FetchResult ask_now(TokenRequest request);

  void configure(const Settings& settings) {
    settings_ = settings;
    broker_.configure(settings);
  }

  // When each request reached IMDS, in seconds after `since`.
  [[nodiscard]] std::vector<double> start_times(SteadyTime since) const;
  [[nodiscard]] std::size_t sent() const {
    return source_.starts.size();
  }
  [[nodiscard]] std::size_t most_starts_in_a_second() const;

  asio::io_context io_{1};
  FakeClock clock_{io_};
  FakeSource source_{io_, clock_};
  Settings settings_ = without_max_age();
  TokenBroker broker_{io_, source_, clock_, settings_};
};

}  // namespace msi2imds::broker
