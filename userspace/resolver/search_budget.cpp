// SPDX-License-Identifier: MIT
#include "resolver/search_budget.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

namespace msi2imds::resolver {
namespace {

constexpr std::chrono::milliseconds kMostInAdvance{250};
constexpr int kShare = 5;  // one in so many

template <clockid_t Clock>
std::chrono::nanoseconds read_clock() {
  timespec now{};
  (void)::clock_gettime(Clock, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

SearchBudget::SearchBudget()
    : SearchBudget(read_clock<CLOCK_MONOTONIC>, read_clock<CLOCK_PROCESS_CPUTIME_ID>) {}

SearchBudget::SearchBudget(Clock elapsed, Clock spent)
    : elapsed_(std::move(elapsed)), spent_(std::move(spent)), filled_(elapsed_()), left_(kMostInAdvance) {}

// Whoever searches without being allowed leaves no debt that is larger than one search.
void SearchBudget::pay(std::chrono::nanoseconds cost) {
  left_ = std::max(left_ - cost, -std::max<std::chrono::nanoseconds>(cost, kMostInAdvance));
}

bool SearchBudget::allows() {
  const std::chrono::nanoseconds now = elapsed_();
  left_ = std::min<std::chrono::nanoseconds>(left_ + (now - filled_) / kShare, kMostInAdvance);
  filled_ = now;
  return left_ > std::chrono::nanoseconds(0);
}

}  // namespace msi2imds::resolver
