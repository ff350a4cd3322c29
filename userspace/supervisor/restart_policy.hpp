// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>

namespace msi2imds::supervisor {

// How one run of the responder ended.
enum class Outcome {
  never_ready,  // died or could not be started before it served
  hung,         // served, then missed its heartbeats and was killed
  died,         // served, then died
};

// Decides when to give up for a while and let connections through: callers without a time-out must not wait
// in a backlog that nobody reads.
class RestartPolicy {
 public:
  // `lived`: from start to end. Zero: start again at once. Otherwise fail open and wait that long.
  std::chrono::seconds after(Outcome outcome, std::chrono::steady_clock::duration lived) {
    if (outcome == Outcome::died || lived >= kForgiven) {
      *this = RestartPolicy();
    }
    if (outcome == Outcome::died) {
      return std::chrono::seconds(0);
    }
    failures_ += outcome == Outcome::hung ? kHungWeight : 1;
    if (failures_ < kMaxFailures) {
      return std::chrono::seconds(0);
    }
    const std::chrono::seconds wait = back_off_;
    back_off_ = std::min(back_off_ * 2, kMaxBackOff);
    return outcome == Outcome::hung ? wait : std::min(wait, kMaxWaitForStart);
  }

 private:
  static constexpr int kMaxFailures = 5;
  static constexpr int kHungWeight = 3;  // each hang has cost callers many seconds already
  static constexpr std::chrono::seconds kMaxBackOff{60};
  // Nothing is redirected before a responder serves, so another attempt costs callers nothing.
  static constexpr std::chrono::seconds kMaxWaitForStart{3};
  static constexpr std::chrono::minutes kForgiven{10};  // what was before such a good run counts no more

  int failures_ = 0;
  std::chrono::seconds back_off_{1};
};

}  // namespace msi2imds::supervisor
