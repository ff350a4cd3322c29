// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "imds/connection.hpp"
#include "token/token.hpp"

namespace msi2imds::imds {

inline constexpr std::size_t kMaxIdleConnections = 5;  // IMDS serves five requests of a VM at a time

// Connections to IMDS between two requests. Any of them may have died without a sign, and its neighbours with
// it. So of those that were silent for a while one at a time is tried, and of those that answered just now so
// many are that a new connection remains possible beside them.
class Pool {
 public:
  // The latest connection that suits the request; nullptr: make a new one. Of those that were taken, at most
  // so many are silent at a time.
  [[nodiscard]] ConnectionPtr take(const token::TokenRequest& request, std::size_t max_silent);

  // Keeps a connection for the next request, if it was begun after the last time that all were forgotten. It
  // is closed when that request does not come within `idle_time`.
  void keep(ConnectionPtr connection, std::chrono::milliseconds idle_time);

  // Closes those that were last used before that moment; returns how many.
  std::size_t forget_unused_since(SteadyTime moment);

  // Closes all of them.
  void forget_all();

  // Forgets all, and keeps none for so long.
  void distrust(std::chrono::seconds time);

  [[nodiscard]] bool is_trusting() const;

 private:
  [[nodiscard]] std::size_t count_silent();

  std::vector<ConnectionPtr> idle_;  // the latest at the end
  std::vector<std::weak_ptr<Connection>> taken_;
  SteadyTime forgotten_ = SteadyTime::min();
  SteadyTime trusted_again_ = SteadyTime::min();
};

}  // namespace msi2imds::imds
