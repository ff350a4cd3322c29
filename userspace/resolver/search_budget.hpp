// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <functional>

namespace msi2imds::resolver {

// How much of a processor may go into searches that cost milliseconds: a fifth of one on average, and a
// quarter of a second in advance. It counts the time for which this process ran, not how long others kept it
// from running.
class SearchBudget {
 public:
  using Clock = std::function<std::chrono::nanoseconds()>;

  // By the monotonic clock, and by that of this process's time on the processors.
  SearchBudget();
  SearchBudget(Clock elapsed, Clock spent);

  // Whether another search may begin.
  [[nodiscard]] bool allows();

  // Counts what `search` takes against the budget, also if it was not allowed.
  template <typename Search>
  auto spend_on(Search search) {
    const std::chrono::nanoseconds before = spent_();
    auto found = search();
    pay(spent_() - before);
    return found;
  }

 private:
  void pay(std::chrono::nanoseconds cost);

  Clock elapsed_;
  Clock spent_;
  std::chrono::nanoseconds filled_;
  std::chrono::nanoseconds left_;
};

}  // namespace msi2imds::resolver
