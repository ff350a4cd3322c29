// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace msi2imds {

// So much a second for all, of which one owner (base/holder.hpp) gets at most a part. Saves up for a second.
class FairRate {
 public:
  using Time = std::chrono::steady_clock::time_point;

  FairRate(double of_all, double of_owner)
      : of_all_(of_all), of_owner_(of_owner), all_{.left = of_all, .filled = {}} {}

  // Whether something is left for that owner. Then he may take whatever he needs: what is too much is missing
  // afterwards.
  [[nodiscard]] bool has(std::uint32_t owner, Time now);
  void take(std::uint32_t owner, double amount);

  [[nodiscard]] std::size_t owners() const {
    return owners_.size();
  }

 private:
  struct Bucket {
    double left = 0;
    Time filled;

    [[nodiscard]] double level(double rate, Time now) const;
    void fill(double rate, Time now) {
      left = level(rate, now);
      filled = now;
    }
  };

  double of_all_;
  double of_owner_;
  Bucket all_;
  std::unordered_map<std::uint32_t, Bucket> owners_;
};

}  // namespace msi2imds
