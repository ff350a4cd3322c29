// SPDX-License-Identifier: MIT
#include "usage/rhythm.hpp"

#include <algorithm>

#include "usage/coverage.hpp"

namespace msi2imds::usage {

std::optional<Rhythm> rhythm_of(const Row& row, const std::vector<Period>& recorded) {
  std::int64_t longest = 0;
  std::int64_t shortest = kKeptDays;
  for (std::size_t i = 1; i < row.days.size() && !row.is_others; ++i) {
    const std::int64_t from = row.days[i - 1].day;
    const std::int64_t to = row.days[i].day;
    if (!coverage(recorded, (from + 1) * kSecondsPerDay, to * kSecondsPerDay).gaps.empty()) {
      continue;
    }
    longest = std::max(longest, to - from);
    if (to - from > 1) {  // one run may last until after midnight
      shortest = std::min(shortest, to - from);
    }
  }
  return longest == 0 ? std::nullopt
                      : std::optional(Rhythm{.days = longest, .is_regular = shortest * 5 >= longest * 4});
}

}  // namespace msi2imds::usage
