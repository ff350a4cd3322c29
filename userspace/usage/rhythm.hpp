// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "usage/table.hpp"

namespace msi2imds::usage {

// How long a caller pauses between the days on which it asks.
struct Rhythm {
  std::int64_t days = 0;    // the longest pause
  bool is_regular = false;  // the others are about as long

  // When a caller that was last seen then is expected again, and until when it may be late: a job of each
  // month's first Monday pauses for 28 days or for 35.
  [[nodiscard]] std::int64_t next(std::int64_t last_seen) const {
    return last_seen + days * kSecondsPerDay;
  }
  [[nodiscard]] std::int64_t latest(std::int64_t last_seen) const {
    return next(last_seen) + days * kSecondsPerDay / 4;
  }
};

// By the days that are stored. A pause that was not recorded from its begin to its end says nothing; nor do
// the days of "other callers", who are many. Nothing: the caller has made no pause yet.
[[nodiscard]] std::optional<Rhythm> rhythm_of(const Row& row, const std::vector<Period>& recorded);

}  // namespace msi2imds::usage
