// SPDX-License-Identifier: MIT
#include "responder/shares.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace msi2imds::responder {
namespace {

constexpr Holder kAnn{.owner = 1000, .uid = 1000};
constexpr Holder kBen{.owner = 2000, .uid = 2000};
constexpr Holder kCat{.owner = 3000, .uid = 3000};  // who has nothing

class FakeSharer final : public Sharer {
 public:
  using Sharer::Sharer;
  bool is_open = true;
  bool has_input = false;
  int asked = 0;

 private:
  bool has_unread_input() override {
    ++asked;
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
  shares_.set_idle(*anns[0]);
  EXPECT_TRUE(shares_.end_idle_for(kCat));
  EXPECT_FALSE(anns[2]->is_open) << "the first is waiting again, the second is busy";
  EXPECT_TRUE(anns[0]->is_open);
  EXPECT_TRUE(bens.is_open);
  EXPECT_EQ(shares_.places(), 3U);
  EXPECT_EQ(shares_.gave_way(), 1U);
}

TEST_F(SharesTest, WhoseClientHasSentSomethingWaitsNoLonger) {
  const auto anns = add(kAnn, 2);
  anns[0]->has_input = true;
  EXPECT_TRUE(shares_.end_idle_for(kCat));
  EXPECT_TRUE(anns[0]->is_open);
  EXPECT_FALSE(anns[1]->is_open);
  EXPECT_FALSE(shares_.end_idle_for(kCat));
}

TEST_F(SharesTest, NobodyGivesWayForWhoHasAsMuch) {
  FakeSharer& bens = add(kBen);
  for (FakeSharer* anns : add(kAnn, 2)) {
    shares_.set_busy(*anns);
  }
  EXPECT_FALSE(shares_.end_idle_for(kAnn));
  EXPECT_FALSE(shares_.end_busy_for(kAnn));
  EXPECT_FALSE(shares_.end_idle_for(kBen)) << "Ann's are busy";
  EXPECT_TRUE(bens.is_open);
}

TEST_F(SharesTest, WhoseIdleOnesGiveWayHasNotToHaveMost) {
  const auto bens = add(kBen, 2);
  for (FakeSharer* anns : add(kAnn, 3)) {
    shares_.set_busy(*anns);
  }
  EXPECT_TRUE(shares_.end_idle_for(kCat));
  EXPECT_FALSE(bens[0]->is_open);
}

TEST_F(SharesTest, OneOfHisOwnGivesWay) {
  const auto bens = add(kBen, 3);
  const auto anns = add(kAnn, 2);
  EXPECT_FALSE(shares_.end_own_idle(kCat));
  EXPECT_TRUE(shares_.end_own_idle(kAnn));
  EXPECT_FALSE(anns[0]->is_open);
  EXPECT_TRUE(bens[0]->is_open);
}

TEST_F(SharesTest, WhoeverHasMostLosesWhatIsBusyForLongest) {
  const auto bens = add(kBen, 2);
  const auto anns = add(kAnn, 3);
  for (const int i : {1, 0, 2}) {
    shares_.set_busy(*anns.at(static_cast<std::size_t>(i)));
  }
  for (FakeSharer* sharer : bens) {
    shares_.set_busy(*sharer);
  }
  EXPECT_TRUE(shares_.end_busy_for(kCat));
  EXPECT_FALSE(anns[1]->is_open);
  EXPECT_FALSE(shares_.end_busy_for(kBen)) << "he would have more than Ann then, who could take it back";
  EXPECT_TRUE(shares_.end_busy_for(kCat));
  EXPECT_TRUE(shares_.end_busy_for(kCat)) << "two each, less one";
  EXPECT_FALSE(shares_.end_busy_for(kCat)) << "as one each";
  EXPECT_EQ(shares_.places(), 2U);
  EXPECT_EQ(shares_.gave_way(), 3U);
}

// Nobody keeps others out by sending a byte on each of his connections again and again.
TEST_F(SharesTest, WhereAllWaitNoLongerTheOldestGoes) {
  const auto anns = add(kAnn, 3);
  for (FakeSharer* sharer : anns) {
    sharer->has_input = true;
  }
  EXPECT_FALSE(shares_.end_idle_for(kCat));
  EXPECT_TRUE(shares_.end_busy_for(kCat));
  EXPECT_FALSE(anns[0]->is_open);
  shares_.set_busy(*anns[2]);
  EXPECT_TRUE(shares_.end_busy_for(kCat));
  EXPECT_FALSE(anns[2]->is_open) << "a busy one first";
}

TEST_F(SharesTest, WhoIsUnknownLosesLikeAnybody) {
  add(kAnn, 2);
  const auto orphans = add(Holder(), 3);
  for (FakeSharer* orphan : orphans) {
    shares_.set_busy(*orphan);
  }
  EXPECT_TRUE(shares_.end_busy_for(kCat));
  EXPECT_FALSE(orphans[0]->is_open);
}

// Of a range of uids, one each, all but one may be idle.
TEST_F(SharesTest, AnIdleOneOfManyUidsGivesWayBeforeABusyOne) {
  std::vector<FakeSharer*> of_uids;
  for (std::uint32_t uid = 100000; uid < 100010; ++uid) {
    of_uids.push_back(&add({.owner = 1000, .uid = uid}));
    shares_.set_busy(*of_uids.back());
  }
  shares_.set_idle(*of_uids[7]);
  EXPECT_TRUE(shares_.end_idle_for(kCat));
  EXPECT_FALSE(of_uids[7]->is_open);
  EXPECT_FALSE(shares_.end_idle_for(kCat));
  EXPECT_TRUE(shares_.end_busy_for(kCat));
  EXPECT_FALSE(of_uids[0]->is_open);
}

TEST_F(SharesTest, AsBigAnOwnerDoesNotHideOnesOwnBiggerUid) {
  const Holder one{.owner = 1000, .uid = 100000};
  const Holder other{.owner = 1000, .uid = 100001};
  add(kBen, 3);
  const auto of_one = add(one, 3);
  EXPECT_TRUE(shares_.has_less_than_others(other));
  EXPECT_TRUE(shares_.end_idle_for(other));
  EXPECT_FALSE(of_one[0]->is_open);
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
  EXPECT_TRUE(shares_.end_idle_for(kCat));
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
  EXPECT_TRUE(shares_.end_idle_for(kCat));
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

TEST_F(SharesTest, OnlyWhatHoldsInputGivesWayForInput) {
  const auto idle = add(kAnn, 100);
  idle[1]->has_input = true;
  const auto holding = add(kAnn, 3);
  for (FakeSharer* sharer : holding) {
    sharer->has_input = true;  // more than was read
    shares_.set_input_bytes(*sharer, Shares::kMostInputBytes / 2);
  }
  for (const FakeSharer* sharer : idle) {
    EXPECT_TRUE(sharer->is_open);
  }
  EXPECT_FALSE(holding[0]->is_open);
  EXPECT_TRUE(holding[1]->is_open);
  EXPECT_TRUE(holding[2]->is_open);
  shares_.set_input_bytes(*holding[2], 0);
  shares_.set_input_bytes(*holding[2], Shares::kMostInputBytes / 2 + 1);
  EXPECT_FALSE(holding[1]->is_open);
  EXPECT_TRUE(holding[2]->is_open);
}

class QueueTest : public SharesTest {
 protected:
  std::shared_ptr<FakeSharer> enqueue(const Holder& holder) {
    auto sharer = std::make_shared<FakeSharer>(holder);
    shares_.enqueue(sharer);
    return sharer;
  }
};

TEST_F(QueueTest, NextIsWhoHasLeast) {
  add(kAnn, 2);
  add(kBen, 1);
  const auto anns = enqueue(kAnn);
  const auto bens_first = enqueue(kBen);
  const auto bens_second = enqueue(kBen);
  EXPECT_EQ(shares_.queued(), 3U);
  EXPECT_EQ(shares_.take_next_in_queue(), bens_first);
  add(kBen, 2);
  EXPECT_EQ(shares_.take_next_in_queue(), anns) << "Ben has more now";
  EXPECT_EQ(shares_.take_next_in_queue(), bens_second);
  EXPECT_EQ(shares_.take_next_in_queue(), nullptr);
  EXPECT_EQ(shares_.queued(), 0U);
}

TEST_F(QueueTest, LastIsWhatCameLastOfWhoHasMostThere) {
  add(kBen, 5);
  const auto bens = enqueue(kBen);
  const auto anns_first = enqueue(kAnn);
  const auto anns_second = enqueue(kAnn);
  EXPECT_EQ(shares_.take_last_in_queue(), anns_second);
  EXPECT_EQ(shares_.take_next_in_queue(), anns_first);
  EXPECT_EQ(shares_.take_last_in_queue(), bens);
  EXPECT_EQ(shares_.take_last_in_queue(), nullptr);
}

TEST_F(QueueTest, TheUidsOfOneOwnerQueueLikeOwners) {
  const Holder one{.owner = 1000, .uid = 100000};
  const Holder other{.owner = 1000, .uid = 100001};
  add(one, 3);
  add(other, 1);
  add(kBen, 5);
  const auto bens = enqueue(kBen);
  const auto of_one = enqueue(one);
  const auto of_other = enqueue(other);
  EXPECT_EQ(shares_.take_next_in_queue(), of_other);
  EXPECT_EQ(shares_.take_next_in_queue(), of_one);
  EXPECT_EQ(shares_.take_next_in_queue(), bens);
}

TEST_F(QueueTest, WhoWaitsIsLetGoInTheEnd) {
  std::weak_ptr<FakeSharer> waiting;
  {
    Shares shares;
    auto sharer = std::make_shared<FakeSharer>(kAnn);
    waiting = sharer;
    shares.enqueue(std::move(sharer));
    EXPECT_FALSE(waiting.expired());
  }
  EXPECT_TRUE(waiting.expired());
}

}  // namespace
}  // namespace msi2imds::responder
