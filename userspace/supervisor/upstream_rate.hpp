// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>

namespace msi2imds::supervisor {

// How many connections to IMDS a responder may have made for it: many times what the quota of IMDS lets it
// use, and no flood.
class UpstreamRate {
 public:
  static constexpr double kMostASecond = 100;

  // Whether it may have another.
  [[nodiscard]] bool admit(std::chrono::steady_clock::time_point now) {
    const std::chrono::duration<double> passed = now - filled_;
    filled_ = now;
    left_ = std::min(kMostASecond, left_ + passed.count() * kMostASecond);
    if (left_ < 1) {
      return false;
    }
    left_ -= 1;
    return true;
  }

 private:
  double left_ = kMostASecond;
  std::chrono::steady_clock::time_point filled_;
};

}  // namespace msi2imds::supervisor
