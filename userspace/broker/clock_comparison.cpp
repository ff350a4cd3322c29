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
void ClockComparison::learn(const token::Token& token, WallTime sent, WallTime now) {
  if (!token.expires_in) {
    return;
  }
  const std::int64_t theirs = token.expires_on - *token.expires_in;
  const std::chrono::seconds ahead(std::max(unix_seconds(sent) - theirs, std::int64_t{0}));
  const std::chrono::seconds behind(std::max(theirs - unix_seconds(now), std::int64_t{0}));
  ahead_ = ahead - behind;
  const bool differ = std::chrono::abs(*ahead_) > kWorthSaying;
  if (differ && !std::exchange(was_said_, true)) {
    log::warn("this machine's clock is {} s {} that of IMDS; clients are told by it when their tokens expire",
              std::chrono::abs(*ahead_).count(), *ahead_ > std::chrono::seconds(0) ? "ahead of" : "behind");
  }
  was_said_ = differ;
}

}  // namespace msi2imds::broker
