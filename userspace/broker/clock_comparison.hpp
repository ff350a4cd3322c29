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
  void learn(const token::Token& token, const Moment& sent, const Moment& now);

  // By the latest token that told, and by how this machine's clock was set since; negative: behind; nothing:
  // none has told.
  [[nodiscard]] std::optional<std::chrono::seconds> ahead(const Moment& now) const;

 private:
  struct Known {
    std::chrono::seconds ahead;
    Moment when;
  };

  std::optional<Known> known_;
  bool was_said_ = false;
};

}  // namespace msi2imds::broker
