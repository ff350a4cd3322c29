// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "caller/identity.hpp"

namespace msi2imds::audit {

// Gives each caller so many lines a second, and counts the rest.
class Limiter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using CallerPtr = std::shared_ptr<const caller::Identity>;

  struct LeftOut {
    CallerPtr caller;
    std::uint64_t count = 0;
  };

  // Not for counts already made.
  void configure(std::uint32_t max_rate) {
    max_rate_ = max_rate;
  }

  // Whether the caller may have another line, if there is room for lines of his at all. Callers are told
  // apart by uid, unit and program.
  [[nodiscard]] bool admit(const CallerPtr& caller, Time now, bool has_room = true);

  // What was left out, of callers who were silent or limited for a second since; each count is told once.
  [[nodiscard]] std::vector<LeftOut> take_left_out(Time now);

  [[nodiscard]] std::size_t callers() const {
    return buckets_.size();
  }

 private:
  struct Bucket {
    double lines = 0;
    Time filled;
    std::uint64_t left_out = 0;
    Time told;
    CallerPtr caller;
  };

  void forget_some();

  std::uint32_t max_rate_ = 100;
  std::unordered_map<std::size_t, Bucket> buckets_;
  std::vector<LeftOut> forgotten_;
};

}  // namespace msi2imds::audit
