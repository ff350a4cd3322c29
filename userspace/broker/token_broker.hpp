// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"
#include "base/histogram.hpp"
#include "broker/assignments.hpp"
#include "broker/clock_comparison.hpp"
#include "broker/flight.hpp"
#include "broker/key.hpp"
#include "broker/settings.hpp"
#include "broker/token_cache.hpp"
#include "broker/token_memory.hpp"
#include "broker/turns.hpp"
#include "token/token_source.hpp"
#include "token/upstream.hpp"

namespace msi2imds::broker {

// How requests were answered, since the start.
struct Counters {
  std::uint64_t from_cache = 0;
  std::uint64_t joined = 0;  // waited for somebody else's request
  std::uint64_t asked = 0;   // began a request of their own
  std::uint64_t sent = 0;    // requests to IMDS, refreshes and retries included
  std::uint64_t refused_busy = 0;
  Histogram quota_waits;  // of each request to IMDS, for its turn
};

// Tokens that are always there: a cache, one request to IMDS for all who want the same, IMDS's quota, and
// patience while IMDS is away.
class TokenBroker final : public token::TokenSource {
 public:
  // Everything referred to must outlive the io_context's run().
  TokenBroker(asio::io_context& io, token::Upstream& upstream, Clock& clock, const Settings& settings);
  TokenBroker(const TokenBroker&) = delete;
  TokenBroker& operator=(const TokenBroker&) = delete;
  ~TokenBroker() override;

  std::optional<token::FetchResult> find(const token::TokenRequest& request) override;
  asio::awaitable<token::FetchResult> fetch(token::TokenRequest request) override;

  // Fetches a token that nobody asks for yet, behind all who ask; not while is_asking_for() it.
  asio::awaitable<token::FetchResult> fetch_ahead(token::TokenRequest request);

  // Whether there is a token that can still be given out.
  [[nodiscard]] bool has(const token::TokenRequest& request);
  [[nodiscard]] bool is_asking_for(const token::TokenRequest& request) const {
    return flights_.contains(key_of(request));
  }
  // Whether one more token might push another one out.
  [[nodiscard]] bool is_nearly_full() const {
    return cache_.bytes() > settings_.max_bytes - settings_.max_bytes / 8;
  }

  // Tokens stay.
  void configure(const Settings& settings);

  // Takes over what a process before this one has left in `memory`, a file of anonymous memory, if its tokens
  // came from the same issuer, and keeps tokens and the quota's next turn there.
  void keep_in(UniqueFd memory, std::string_view issuer);

  // Forgets tokens, all or those of one resource or identity (empty: any); returns how many. What is being
  // fetched meanwhile is not kept.
  std::size_t flush(std::string_view resource, std::string_view identity);

  // Nobody waits for IMDS any more, now or later: whoever would gets a token that is still valid, or
  // cut_short().
  void end_waits();

  [[nodiscard]] const Counters& counters() const {
    return counters_;
  }
  [[nodiscard]] const TokenCache& cache() const {
    return cache_;
  }
  [[nodiscard]] const ClockComparison& clocks() const {
    return clocks_;
  }

 private:
  class FlightQuota;
  using FlightPtr = std::shared_ptr<Flight>;

  FlightPtr find_or_start(const token::TokenRequest& request);
  FlightPtr start(const token::TokenRequest& request);
  [[nodiscard]] std::optional<token::FetchResult> find_old(const token::TokenRequest& request);
  [[nodiscard]] token::FetchResult answer_without(const Flight* flight, const token::TokenRequest& request);
  asio::awaitable<void> fly(FlightPtr flight);
  asio::awaitable<token::FetchResult> attempt(FlightPtr flight);
  void go_on_without_callers(const FlightPtr& flight);
  bool settle(Flight& flight, const token::FetchResult& result);
  void finish(Flight& flight, const token::FetchResult& result);
  [[nodiscard]] std::optional<std::chrono::seconds> wait_for_assignment(Flight& flight);
  asio::awaitable<bool> pause(FlightPtr flight);
  void keep_fresh();
  asio::awaitable<void> refresh();

  asio::io_context& io_;
  token::Upstream& upstream_;
  Clock& clock_;
  Settings settings_;
  TokenMemory memory_;
  TokenCache cache_{memory_};
  Assignments assignments_;
  Turns turns_;
  std::unordered_map<Key, FlightPtr, KeyHash> flights_;  // keys refer to the flights
  Counters counters_;
  std::unique_ptr<Alarm> refresh_alarm_;
  bool refreshing_ = false;
  ClockComparison clocks_;
  bool waits_ended_ = false;
};

}  // namespace msi2imds::broker
