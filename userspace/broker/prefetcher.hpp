// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "broker/token_broker.hpp"
#include "token/token.hpp"

namespace msi2imds::broker {

// Fetches tokens before anybody asks for them: one at a time, at most two a second, behind all callers.
class Prefetcher {
 public:
  // Everything referred to must outlive the io_context's run().
  Prefetcher(asio::io_context& io, TokenBroker& broker, Clock& clock);

  // Begins to fetch these, the first one first. What is there or comes meanwhile is passed over. A refusal is
  // final; while IMDS cannot answer it is asked again, until it has not answered for ten minutes. Nothing is
  // pushed out of the cache. Later calls only change what is left to do; when nothing is, they do nothing.
  void prefetch(std::vector<token::TokenRequest> requests);

 private:
  asio::awaitable<void> run();
  asio::awaitable<bool> attempt(token::TokenRequest request);
  void wait_longer(const token::Failure& failure);

  asio::io_context& io_;
  TokenBroker& broker_;
  Clock& clock_;
  std::unique_ptr<Alarm> alarm_;
  std::deque<token::TokenRequest> left_;
  std::uint64_t lists_ = 0;  // that were given
  bool running_ = false;
  int failures_ = 0;  // since the last answer
  std::chrono::seconds pause_{};
  std::size_t fetched_ = 0;
  SteadyTime hope_ends_;
};

}  // namespace msi2imds::broker
