// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace msi2imds {

// How long something took, in steps that suit an answer from memory as well as one that IMDS delayed.
class Histogram {
 public:
  // Seconds; what is longer is in the bucket behind the last one.
  static constexpr std::array kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                         0.1,    0.25,    0.5,    1.0,   2.5,    5.0,   10.0, 30.0,  75.0};

  void observe(std::chrono::nanoseconds time) {
    const double seconds = std::chrono::duration<double>(time).count();
    const auto* const bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
    ++buckets_[static_cast<std::size_t>(bound - kBounds.begin())];
    sum_ += seconds;
    ++count_;
  }

  // Of each step alone, the last one without a bound.
  [[nodiscard]] const std::array<std::uint64_t, kBounds.size() + 1>& buckets() const {
    return buckets_;
  }
  [[nodiscard]] double sum() const {
    return sum_;
  }
  [[nodiscard]] std::uint64_t count() const {
    return count_;
  }

 private:
  std::array<std::uint64_t, kBounds.size() + 1> buckets_{};
  double sum_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace msi2imds
