// SPDX-License-Identifier: MIT
#include "broker/clock_comparison.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/log.hpp"

namespace msi2imds::broker {
namespace {

constexpr std::chrono::seconds kWorthSaying{60};

}  // namespace

// IMDS's clock showed `theirs` at some time between question and answer.
void ClockComparison::learn(const token::Token& token, const Moment& sent, const Moment& now) {
  if (!token.expires_in) {
    return;
  }
  const std::int64_t theirs = token.expires_on - *token.expires_in;
  const std::chrono::seconds ahead(std::max(unix_seconds(sent.wall) - theirs, std::int64_t{0}));
  const std::chrono::seconds behind(std::max(theirs - unix_seconds(now.wall), std::int64_t{0}));
  known_ = {.ahead = ahead - behind, .when = now};
  const bool differ = std::chrono::abs(known_->ahead) > kWorthSaying;
  if (differ && !std::exchange(was_said_, true)) {
    log::warn("this machine's clock is {} s {} that of IMDS; clients are told by it when their tokens expire",
              std::chrono::abs(known_->ahead).count(),
              behind == std::chrono::seconds(0) ? "ahead of" : "behind");
  }
  was_said_ = differ;
}

// Nobody sets the clock that counts from the machine's start, so what the other one gained on it is a jump.
std::optional<std::chrono::seconds> ClockComparison::ahead(const Moment& now) const {
  if (!known_) {
    return std::nullopt;
  }
  const auto jump = (now.wall - known_->when.wall) - (now.boot - known_->when.boot);
  return known_->ahead + std::chrono::round<std::chrono::seconds>(jump);
}

}  // namespace msi2imds::broker
