// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/histogram.hpp"
#include "imds/connector.hpp"
#include "imds/reply.hpp"
#include "token/token_source.hpp"

namespace msi2imds::imds {

inline constexpr std::size_t kMaxReply = 1024UL * 1024;
inline constexpr std::size_t kMaxIdleConnections = 5;  // IMDS serves five requests of a VM at a time

struct Settings {
  std::string host;  // for the Host header, with the port if it is not 80
  std::chrono::seconds connect_timeout{2};
  std::chrono::seconds request_timeout{30};
};

// How the last request to IMDS went, for status.
struct Health {
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  bool last_failed = false;
  std::string last_failure;
  std::map<unsigned, std::uint64_t> by_status;  // 0: no answer
  Histogram durations;
};

// Asks IMDS, once for each fetch(), over connections that are kept for the next one.
class ImdsClient final : public token::TokenSource {
 public:
  // `connector` must outlive the client.
  ImdsClient(asio::io_context& io, Connector& connector, Settings settings);
  ImdsClient(const ImdsClient&) = delete;
  ImdsClient& operator=(const ImdsClient&) = delete;
  ~ImdsClient() override;

  asio::awaitable<token::FetchResult> fetch(token::TokenRequest request) override;

  // Forgets idle connections: they may lead to the old endpoint.
  void configure(Settings settings);

  [[nodiscard]] const Health& health() const {
    return health_;
  }

 private:
  class Connection;

  using ExchangeResult = boost::system::result<Reply, token::Failure>;
  asio::awaitable<ExchangeResult> exchange(const std::string& target);
  asio::awaitable<Result<std::unique_ptr<Connection>>> connect();
  std::unique_ptr<Connection> take_idle();
  void keep(std::unique_ptr<Connection> connection, std::uint64_t generation);

  asio::io_context& io_;
  Connector& connector_;
  Settings settings_;
  std::uint64_t generation_ = 0;  // counts configure(): a connection of an older one is not kept
  Health health_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace msi2imds::imds
