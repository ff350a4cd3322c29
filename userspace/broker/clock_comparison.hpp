// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>

#include "base/clock.hpp"
#include "token/token.hpp"

namespace msi2imds::broker {

// How far this machine's clock is from that of IMDS.
class ClockComparison {
 public:
  // Learns from a token that was asked for at `sent` and is here now. That the clocks differ is said once,
  // until they agree again.
  void learn(const token::Token& token, WallTime sent, WallTime now);

  // By the latest token that told; negative: behind; nothing: none has told.
  [[nodiscard]] std::optional<std::chrono::seconds> ahead() const {
    return ahead_;
  }

 private:
  std::optional<std::chrono::seconds> ahead_;
  bool was_said_ = false;
};

}  // namespace msi2imds::broker
