// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/histogram.hpp"
#include "http/deadlines.hpp"
#include "imds/connection.hpp"
#include "imds/connector.hpp"
#include "token/token_source.hpp"

namespace msi2imds::imds {

inline constexpr std::size_t kMaxIdleConnections = 5;  // IMDS serves five requests of a VM at a time

struct Settings {
  std::string host;  // for the Host header, with the port if it is not 80
  std::chrono::seconds connect_timeout{2};
  std::chrono::seconds request_timeout{30};
  std::chrono::seconds distrust_time{60};  // no connection is used twice for so long after a mix-up
};

// How the last request to IMDS went, for status.
struct Health {
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  bool last_failed = false;
  std::string last_failure;
  std::map<unsigned, std::uint64_t> by_status;  // 0: no answer
  Histogram durations;
  // Tokens that did not fit what was asked.
  std::uint64_t other_resources_served = 0;    // over a new connection: IMDS calls it so
  std::uint64_t other_identities_refused = 0;  // over a new connection
  std::uint64_t mix_ups = 0;                   // over a connection used before: asked anew
};

// Asks IMDS, once for each fetch(), over connections that are kept for the next one. A token that another
// client_id was asked for is never handed out, nor, over a connection used before, one for another resource.
class ImdsClient final : public token::TokenSource {
 public:
  // `connector` must outlive the client.
  ImdsClient(asio::io_context& io, Connector& connector, Settings settings);

  asio::awaitable<token::FetchResult> fetch(token::TokenRequest request) override;

  // Forgets idle connections: they may lead to the old endpoint.
  void configure(Settings settings);

  [[nodiscard]] const Health& health() const {
    return health_;
  }

 private:
  struct Exchange;

  asio::awaitable<Exchange> exchange(token::TokenRequest request);
  asio::awaitable<Result<ConnectionPtr>> connect();
  ConnectionPtr take_idle(const token::TokenRequest& request);
  void keep(const Exchange& exchange);
  void forget_connections();
  token::FetchResult evaluate(Exchange& exchange, const token::TokenRequest& request);
  token::FetchResult evaluate_failure(const Exchange& exchange);
  token::FetchResult check_refusal(token::FetchResult result, const Exchange& exchange);
  token::FetchResult check(token::FetchResult result, const token::TokenRequest& request, bool is_reused);
  void distrust_connections();
  [[nodiscard]] bool is_known_name(const std::string& name, const std::string& resource) const;
  void say_other_resource(const token::TokenRequest& request, const token::Token& token);
  void count(const token::FetchResult& result);

  asio::io_context& io_;
  Connector& connector_;
  Settings settings_;
  http::Deadlines deadlines_;
  std::uint64_t generation_ = 0;  // counts forget_connections(): a connection of an older one is not kept
  std::chrono::steady_clock::time_point trusted_again_{};
  Health health_;
  std::map<std::string, std::string> other_names_;  // of resources, by which IMDS calls them
  std::vector<ConnectionPtr> idle_;                 // the latest at the end
};

}  // namespace msi2imds::imds
