// SPDX-License-Identifier: MIT
#include "broker/assignments.hpp"

#include <gtest/gtest.h>

namespace msi2imds::broker {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using token::SelectorKind;

constexpr SteadyTime kBegin{hours(1)};

token::IdentitySelector identity(std::string value, SelectorKind kind = SelectorKind::client_id) {
  return {.kind = kind, .value = std::move(value)};
}

class AssignmentsTest : public testing::Test {
 protected:
  Assignments assignments_;
};

TEST_F(AssignmentsTest, HopesForAMinuteAfterTheFirstNaming) {
  assignments_.name(identity("a"), kBegin);
  EXPECT_TRUE(assignments_.may_come(identity("a"), kBegin + seconds(59)));
  assignments_.name(identity("a"), kBegin + seconds(59));
  EXPECT_FALSE(assignments_.may_come(identity("A"), kBegin + seconds(60))) << "in any letter case";
  EXPECT_TRUE(assignments_.may_come(identity("a", SelectorKind::object_id), kBegin + seconds(60)));
}

TEST_F(AssignmentsTest, HopesForAMinuteAfterAConfirmedIdentityIsMissedFirst) {
  assignments_.confirm(identity("a"), kBegin);
  EXPECT_TRUE(assignments_.may_come(identity("a"), kBegin + hours(5)));
  EXPECT_TRUE(assignments_.may_come(identity("a"), kBegin + hours(5) + seconds(59)));
  EXPECT_FALSE(assignments_.may_come(identity("a"), kBegin + hours(5) + seconds(60)));
  assignments_.confirm(identity("a"), kBegin + hours(6));
  EXPECT_TRUE(assignments_.may_come(identity("a"), kBegin + hours(7)));
}

TEST_F(AssignmentsTest, ForgetsWhoWasNotNamedForTheLongestTime) {
  constexpr int kMany = 5000;
  assignments_.name(identity("old"), kBegin);
  assignments_.name(identity("used"), kBegin);
  for (int i = 0; i < kMany; ++i) {
    assignments_.name(identity(std::to_string(i)), kBegin);
    assignments_.name(identity("used"), kBegin);
  }
  const SteadyTime later = kBegin + seconds(60);
  EXPECT_FALSE(assignments_.may_come(identity("used"), later));
  EXPECT_FALSE(assignments_.may_come(identity(std::to_string(kMany - 1)), later));
  EXPECT_TRUE(assignments_.may_come(identity("old"), later));
}

}  // namespace
}  // namespace msi2imds::broker
