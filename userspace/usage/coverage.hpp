// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "usage/table.hpp"

namespace msi2imds::usage {

// How the time from `start` to `now` was recorded: a short pause counts as recorded, a longer one does not.
struct Coverage {
  std::int64_t seconds = 0;
  std::vector<Period> gaps;
};

[[nodiscard]] Coverage coverage(const std::vector<Period>& recorded, std::int64_t start, std::int64_t now);

}  // namespace msi2imds::usage
