// SPDX-License-Identifier: MIT
#include "resolver/search_budget.hpp"

#include <gtest/gtest.h>
#include <poll.h>

namespace msi2imds::resolver {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

class SearchBudgetTest : public testing::Test {
 protected:
  // One search, of which the process ran for `spent`.
  bool search(milliseconds elapsed, milliseconds spent) {
    const bool is_allowed = budget_.allows();
    if (is_allowed) {
      (void)budget_.spend_on([&] {
        elapsed_ += elapsed;
        spent_ += spent;
        return 0;
      });
    }
    return is_allowed;
  }

  nanoseconds elapsed_{std::chrono::hours(1)};
  nanoseconds spent_{std::chrono::seconds(1)};
  SearchBudget budget_{[this] { return elapsed_; }, [this] { return spent_; }};
};

// Each takes seconds because the machine is busy with others.
TEST_F(SearchBudgetTest, IsNotSpentByWaitingForAProcessor) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(search(milliseconds(2000), milliseconds(5))) << i;
  }
}

// With the clocks that are in use. A wait takes none of the processor's time.
TEST_F(SearchBudgetTest, IsNotSpentByASearchThatWaits) {
  SearchBudget budget;
  budget.spend_on([] { return ::poll(nullptr, 0, 500); });
  EXPECT_TRUE(budget.allows());
}

TEST_F(SearchBudgetTest, LastsForAFewSearchesAtOnce) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(search(milliseconds(50), milliseconds(50))) << i;
  }
}

TEST_F(SearchBudgetTest, IsAFifthOfTheTime) {
  milliseconds spent{0};
  const nanoseconds began = elapsed_;
  while (elapsed_ - began < std::chrono::seconds(100)) {
    if (search(milliseconds(10), milliseconds(10))) {
      spent += milliseconds(10);
    } else {
      elapsed_ += milliseconds(1);
    }
  }
  EXPECT_GE(spent, std::chrono::seconds(20));
  EXPECT_LE(spent, milliseconds(20'000 + 250 + 10));
}

TEST_F(SearchBudgetTest, IsThereAgainSoonAfterManyThatWereNotAllowed) {
  for (int i = 0; i < 1000; ++i) {
    (void)budget_.spend_on([&] {
      spent_ += milliseconds(100);
      return 0;
    });
  }
  EXPECT_FALSE(budget_.allows());
  elapsed_ += milliseconds(1300);
  EXPECT_TRUE(budget_.allows());
}

TEST_F(SearchBudgetTest, DoesNotGrowWhileNobodySearches) {
  elapsed_ += std::chrono::hours(1);
  int searches = 0;
  while (searches < 1000 && search(milliseconds(0), milliseconds(10))) {
    ++searches;
  }
  EXPECT_EQ(searches, 25);
}

}  // namespace
}  // namespace msi2imds::resolver
