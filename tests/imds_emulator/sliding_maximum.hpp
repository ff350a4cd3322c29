// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>

namespace msi2imds::emulator {

// The most events that lay within any one second; two events exactly a second apart do not.
class SlidingMaximum {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void add(Time now) {
    while (!recent_.empty() && now - recent_.front() >= std::chrono::seconds(1)) {
      recent_.pop_front();
    }
    recent_.push_back(now);
    maximum_ = std::max(maximum_, recent_.size());
  }
  void reset() {
    recent_.clear();
    maximum_ = 0;
  }
  [[nodiscard]] std::size_t maximum() const {
    return maximum_;
  }

 private:
  std::deque<Time> recent_;
  std::size_t maximum_ = 0;
};

}  // namespace msi2imds::emulator
