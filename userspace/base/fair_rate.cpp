// SPDX-License-Identifier: MIT
#include "base/fair_rate.hpp"

#include <algorithm>

namespace msi2imds {
namespace {

constexpr std::size_t kMostOwners = 1024;

}  // namespace

double FairRate::Bucket::level(double rate, Time now) const {
  const std::chrono::duration<double> passed = now - filled;
  return std::min(rate, left + passed.count() * rate);
}

bool FairRate::has(std::uint32_t owner, Time now) {
  if (owners_.size() >= kMostOwners) {  // whose bucket is full again is as good as new
    std::erase_if(owners_,
                  [&](const auto& entry) { return entry.second.level(of_owner_, now) >= of_owner_; });
  }
  all_.fill(of_all_, now);
  if (all_.left <= 0) {
    return false;
  }
  Bucket& own = owners_.try_emplace(owner, Bucket{.left = of_owner_, .filled = now}).first->second;
  own.fill(of_owner_, now);
  return own.left > 0;
}

void FairRate::take(std::uint32_t owner, double amount) {
  all_.left -= amount;
  owners_[owner].left -= amount;
}

}  // namespace msi2imds
