// SPDX-License-Identifier: MIT
#include "usage/coverage.hpp"

#include <algorithm>

namespace msi2imds::usage {

Coverage coverage(const std::vector<Period>& recorded, std::int64_t start, std::int64_t now) {
  Coverage result;
  std::int64_t covered_until = start;
  const auto skip_to = [&](std::int64_t time, std::int64_t tolerated) {
    if (time - covered_until > tolerated) {
      result.gaps.push_back({covered_until, time});
    } else {
      result.seconds += std::max<std::int64_t>(time - covered_until, 0);
    }
    covered_until = std::max(covered_until, time);
  };
  for (const Period& period : recorded) {
    const std::int64_t to = std::min(period.to, now);
    if (to < start) {
      continue;
    }
    // What was before the first period was never recorded.
    skip_to(std::min(period.from, now), &period == &recorded.front() ? 0 : kLongestPause);
    result.seconds += std::max<std::int64_t>(to - covered_until, 0);
    covered_until = std::max(covered_until, to);
  }
  skip_to(now, covered_until == start ? 0 : kLongestPause);
  return result;
}

}  // namespace msi2imds::usage
