// SPDX-License-Identifier: MIT
#include "base/fair_rate.hpp"

#include <cmath>

namespace msi2imds {
namespace {

// Of what is left. One alone gets s of the whole where s = share * (1 - s).
constexpr double kShareOfOwner = 1.0 / 3;
constexpr double kShareOfUid = 3;

constexpr std::size_t kMostHolders = 4096;

template <typename Levels, typename Key>
double level_of(const Levels& levels, const Key& key, FairRate::Time now) {
  const auto found = levels.find(key);
  return found == levels.end() ? 0 : found->second.at(now);
}

}  // namespace

double FairRate::Level::at(Time now) const {
  const std::chrono::duration<double> passed = now - when_;
  return amount_ == 0 ? 0 : amount_ * std::exp(-passed.count());
}

void FairRate::Level::add(double amount, Time now) {
  amount_ = at(now) + amount;
  when_ = now;
}

bool FairRate::has(const Holder& holder, Time now) const {
  const double share = kShareOfOwner * (of_all_ - all_.at(now));
  const double left = share - level_of(owners_, holder.owner, now);
  return left > 0 && level_of(uids_, holder, now) < kShareOfUid * left;
}

void FairRate::take(const Holder& holder, double amount, Time now) {
  if (uids_.size() >= kMostHolders) {
    forget_least(now);
  }
  all_.add(amount, now);
  owners_[holder.owner].add(amount, now);
  uids_[holder].add(amount, now);
}

// Of all levels, which together are that of all, at most half of kMostHolders can be above this one.
void FairRate::forget_least(Time now) {
  const double least = 2 * all_.at(now) / kMostHolders;
  const auto is_small = [&](const auto& entry) { return entry.second.at(now) <= least; };
  std::erase_if(uids_, is_small);
  std::erase_if(owners_, is_small);
}

}  // namespace msi2imds
