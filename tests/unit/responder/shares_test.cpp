// SPDX-License-Identifier: MIT
#include "responder/shares.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace msi2imds::responder {
namespace {

constexpr Holder kAnn{.owner = 1000, .uid = 1000};
constexpr Holder kBen{.owner = 2000, .uid = 2000};

class FakeSharer final : public Sharer {
 public:
  using Sharer::Sharer;
  bool is_open = true;
  bool has_input = false;

 private:
  bool has_unread_input() override {
    return has_input;
  }
  void give_way() override {
    is_open = false;
  }
};

class SharesTest : public testing::Test {
 protected:
  FakeSharer& add(const Holder& holder) {
    sharers_.push_back(std::make_unique<FakeSharer>(holder));
    shares_.add(*sharers_.back());
    return *sharers_.back();
  }
  std::vector<FakeSharer*> add(const Holder& holder, int count) {
    std::vector<FakeSharer*> added;
    for (int i = 0; i < count; ++i) {
      added.push_back(&add(holder));
    }
    return added;
  }

  std::vector<std::unique_ptr<FakeSharer>> sharers_;
  Shares shares_;
};

TEST_F(SharesTest, WhoHasMostGivesWayWithWhatHasWaitedForLongest) {
  FakeSharer& bens = add(kBen);
  const auto anns = add(kAnn, 3);
  shares_.set_busy(*anns[0]);
  shares_.set_busy(*anns[1]);
  shares_.set_waiting(*anns[0]);
  EXPECT_TRUE(shares_.make_room());
  EXPECT_FALSE(anns[2]->is_open) << "the first is waiting again, the second is busy";
  EXPECT_TRUE(anns[0]->is_open);
  EXPECT_TRUE(bens.is_open);
  EXPECT_EQ(shares_.places(), 3U);
  EXPECT_EQ(shares_.gave_way(), 1U);
}

TEST_F(SharesTest, WhoseClientHasSentSomethingWaitsNoLonger) {
  const auto anns = add(kAnn, 2);
  anns[0]->has_input = true;
  EXPECT_TRUE(shares_.make_room());
  EXPECT_TRUE(anns[0]->is_open);
  EXPECT_FALSE(anns[1]->is_open);
  EXPECT_FALSE(shares_.make_room());
}

TEST_F(SharesTest, NobodyGivesWayForWhoHasMost) {
  FakeSharer& bens = add(kBen);
  for (FakeSharer* anns : add(kAnn, 2)) {
    shares_.set_busy(*anns);
  }
  EXPECT_FALSE(shares_.make_room());
  EXPECT_TRUE(bens.is_open);
}

TEST_F(SharesTest, TellsWhoHasLess) {
  EXPECT_FALSE(shares_.has_less_than_others(kAnn));
  add(kAnn);
  EXPECT_FALSE(shares_.has_less_than_others(kAnn));
  EXPECT_TRUE(shares_.has_less_than_others(kBen));
  add(kBen);
  EXPECT_FALSE(shares_.has_less_than_others(kBen)) << "as many are not less";
}

TEST_F(SharesTest, ManyUidsOfOneOwnerCountTogether) {
  FakeSharer& first = add({.owner = 1000, .uid = 100000});
  for (std::uint32_t uid = 100001; uid < 100005; ++uid) {
    add({.owner = 1000, .uid = uid});
  }
  const auto bens = add(kBen, 4);
  EXPECT_TRUE(shares_.has_less_than_others(kBen));
  EXPECT_FALSE(shares_.has_less_than_others(first.holder()));
  EXPECT_TRUE(shares_.make_room());
  EXPECT_FALSE(first.is_open);
  for (const FakeSharer* sharer : bens) {
    EXPECT_TRUE(sharer->is_open);
  }
}

TEST_F(SharesTest, OfOneOwnersUidsTheBiggestGivesWay) {
  const Holder one{.owner = 1000, .uid = 100000};
  const Holder other{.owner = 1000, .uid = 100001};
  FakeSharer& first = add(one);
  const auto others = add(other, 2);
  EXPECT_TRUE(shares_.has_less_than_others(one));
  EXPECT_FALSE(shares_.has_less_than_others(other));
  EXPECT_TRUE(shares_.make_room());
  EXPECT_TRUE(first.is_open);
  EXPECT_FALSE(others[0]->is_open);
}

TEST_F(SharesTest, WhatIsRemovedCountsNoMore) {
  const auto anns = add(kAnn, 2);
  shares_.set_input_bytes(*anns[0], 100);
  EXPECT_EQ(shares_.input_bytes(), 100U);
  shares_.remove(*anns[0]);
  shares_.remove(*anns[0]);
  EXPECT_EQ(shares_.places(), 1U);
  EXPECT_EQ(shares_.input_bytes(), 0U);
  shares_.set_input_bytes(*anns[0], 100);
  shares_.set_busy(*anns[0]);
  EXPECT_EQ(shares_.input_bytes(), 0U) << "what has given way takes nothing";
  EXPECT_TRUE(anns[0]->is_open);
}

TEST_F(SharesTest, WhoHasMostInputGivesWayWhereThereIsTooMuch) {
  const auto bens = add(kBen, 100);
  FakeSharer& small = *bens[0];
  shares_.set_input_bytes(small, 50'000);
  const auto anns = add(kAnn, 3);
  for (FakeSharer* sharer : anns) {
    shares_.set_input_bytes(*sharer, Shares::kMostInputBytes / 2 - 50'000);
  }
  EXPECT_FALSE(anns[0]->is_open);
  EXPECT_TRUE(anns[1]->is_open);
  EXPECT_TRUE(anns[2]->is_open);
  EXPECT_TRUE(small.is_open);
  EXPECT_EQ(shares_.input_bytes(), Shares::kMostInputBytes - 50'000);
  shares_.set_input_bytes(*anns[1], 0);
  EXPECT_EQ(shares_.input_bytes(), Shares::kMostInputBytes / 2);
}

}  // namespace
}  // namespace msi2imds::responder
