// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/histogram.hpp"
#include "http/deadlines.hpp"
#include "imds/connection.hpp"
#include "imds/connector.hpp"
#include "imds/pool.hpp"
#include "token/upstream.hpp"

namespace msi2imds::imds {

struct Settings {
  std::string host;               // for the Host header, with the port if it is not 80
  std::size_t max_in_flight = 5;  // requests that the quota allows at a time
  std::chrono::seconds connect_timeout{2};
  std::chrono::seconds request_timeout{30};
  std::chrono::seconds distrust_time{60};       // no connection is used twice for so long after a mix-up
  std::chrono::milliseconds idle_time{30'000};  // a connection is kept for
  std::chrono::milliseconds first_byte{2'000};  // may take so long over a kept one, before another is tried
};

// How the last request to IMDS went, for status.
struct Health {
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;  // after a request over a new connection, if the first was over a kept one
  bool last_failed = false;
  std::string last_failure;
  std::map<unsigned, std::uint64_t> by_status;  // 0: no answer
  Histogram durations;
  // Tokens that did not fit what was asked.
  std::uint64_t other_resources_served = 0;    // over a new connection: IMDS calls it so
  std::uint64_t other_identities_refused = 0;  // over a new connection
  std::uint64_t mix_ups = 0;                   // over a connection used before: asked anew
};

// Asks IMDS, over connections that are kept for the next request. A token that another client_id was asked
// for is never handed out, nor, over a connection used before, one for another resource. Over such a
// connection whatever is not an answer to the question is no result: it is asked anew, over a new one.
class ImdsClient final : public token::Upstream {
 public:
  // `connector` must outlive the client, and the client the io_context's run().
  ImdsClient(asio::io_context& io, Connector& connector, Settings settings);

  asio::awaitable<token::FetchResult> fetch(token::TokenRequest request,
                                            std::shared_ptr<token::Quota> quota) override;

  // Forgets idle connections: they may lead to the old endpoint.
  void configure(Settings settings);

  [[nodiscard]] const Health& health() const {
    return health_;
  }

 private:
  struct Exchange;
  struct Outcome;
  struct Race;
  using RacePtr = std::shared_ptr<Race>;

  asio::awaitable<token::FetchResult> race(RacePtr race, token::Turn turn);
  void give_up_on_kept(const RacePtr& race);
  void ask_anew(const RacePtr& race, token::Place place);
  asio::awaitable<void> ask_kept(RacePtr race, token::Turn turn);
  asio::awaitable<void> ask_new(RacePtr race, token::Place place);
  asio::awaitable<Outcome> ask(token::TokenRequest request, ConnectionPtr kept, token::Turn turn);
  asio::awaitable<Exchange> exchange(token::TokenRequest request, ConnectionPtr kept);
  Outcome evaluate(Exchange& exchange, const token::TokenRequest& request);
  Outcome evaluate_failure(const Exchange& exchange);
  Outcome check_refusal(token::FetchResult result, const Exchange& exchange);
  Outcome check(token::FetchResult result, const token::TokenRequest& request, bool is_reused);
  void distrust_connections();
  [[nodiscard]] bool is_known_name(const std::string& name, const std::string& resource) const;
  void say_other_resource(const token::TokenRequest& request, const token::Token& token);
  void count(const token::FetchResult& result);

  asio::io_context& io_;
  Connector& connector_;
  Settings settings_;
  http::Deadlines deadlines_;
  Pool pool_;
  Health health_;
  std::map<std::string, std::string> other_names_;  // of resources, by which IMDS calls them
};

}  // namespace msi2imds::imds
