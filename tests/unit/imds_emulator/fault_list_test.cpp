// SPDX-License-Identifier: MIT
#include "imds_emulator/fault_list.hpp"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>

#include "imds_emulator/fault_parser.hpp"

namespace msi2imds::emulator {
namespace {

constexpr FaultList::Time kNow{std::chrono::hours(1)};

class FaultListTest : public testing::Test {
 protected:
  void set(const std::string& faults) {
    auto parsed = parse_faults(R"({"faults":[)" + faults + "]}", kNow);
    ASSERT_TRUE(parsed) << parsed.error().message();
    list_.append(std::move(*parsed));
  }
  std::optional<FaultKind> take(std::string_view target = "/", FaultList::Time now = kNow,
                                FaultList::Time connected = kNow) {
    const auto fault = list_.take(target, connected, now);
    return fault ? std::optional(fault->kind) : std::nullopt;
  }

  FaultList list_;
};

TEST_F(FaultListTest, GivesFaultsInTheOrderInWhichTheyWereSet) {
  set(R"({"kind":"reset","count":2})");
  set(R"({"kind":"close"})");
  EXPECT_EQ(take(), FaultKind::reset);
  EXPECT_EQ(take(), FaultKind::reset);
  EXPECT_EQ(take(), FaultKind::close);
  EXPECT_EQ(take(), std::nullopt);
}

TEST_F(FaultListTest, PassesOverAFaultThatDoesNotMatch) {
  set(R"({"kind":"reset","match":"vault"},{"kind":"close"})");
  EXPECT_EQ(take("/?resource=arm"), FaultKind::close);
  EXPECT_EQ(take("/?resource=arm"), std::nullopt);
  EXPECT_EQ(take("/?resource=vault"), FaultKind::reset);
}

TEST_F(FaultListTest, KeepsAFaultWithoutALimitUntilItIsCleared) {
  set(R"({"kind":"reset","count":0})");
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(take(), FaultKind::reset);
  }
  list_.clear();
  EXPECT_EQ(take(), std::nullopt);
}

TEST_F(FaultListTest, EndsATimedFaultWhenItsTimeIsUp) {
  set(R"({"kind":"status","status":410,"seconds_active":2},{"kind":"close"})");
  EXPECT_EQ(take("/", kNow + std::chrono::milliseconds(0)), FaultKind::status);
  EXPECT_EQ(take("/", kNow + std::chrono::milliseconds(1999)), FaultKind::status);
  EXPECT_EQ(take("/", kNow + std::chrono::milliseconds(2000)), FaultKind::close);
}

TEST_F(FaultListTest, KillsConnectionsThatAreOlderThanTheFault) {
  set(R"({"kind":"dead_connection","count":2},{"kind":"close"})");
  EXPECT_EQ(take("/", kNow, kNow), FaultKind::close);
  EXPECT_EQ(take("/", kNow, kNow - std::chrono::milliseconds(1)), FaultKind::dead_connection);
  EXPECT_EQ(take("/", kNow, kNow), std::nullopt);
  EXPECT_EQ(take("/", kNow, kNow - std::chrono::seconds(1)), FaultKind::dead_connection);
}

TEST_F(FaultListTest, TellsFaultsUnderWayThatTheyWereCleared) {
  const auto before = list_.generation();
  list_.clear();
  EXPECT_NE(list_.generation(), before);
}

TEST_F(FaultListTest, ShowsWhatIsLeft) {
  set(R"({"kind":"reset","count":3},{"kind":"close"})");
  (void)take();
  const auto document = list_.to_json(kNow);
  const auto& faults = document.at("faults").as_array();
  ASSERT_EQ(faults.size(), 2U);
  EXPECT_EQ(faults[0].at("kind").as_string(), "reset");
  EXPECT_EQ(faults[0].at("count").as_uint64(), 2U);
}

}  // namespace
}  // namespace msi2imds::emulator
