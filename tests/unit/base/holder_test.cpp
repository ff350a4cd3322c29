// SPDX-License-Identifier: MIT
#include "base/holder.hpp"

#include <gtest/gtest.h>

namespace msi2imds {
namespace {

TEST(HoldersTest, AUserIsTheOwnerOfHisOwnUid) {
  const Holders holders;
  EXPECT_EQ(holders.of(0), (Holder{.owner = 0, .uid = 0}));
  EXPECT_EQ(holders.of(1000), (Holder{.owner = 1000, .uid = 1000}));
  EXPECT_EQ(holders.of(65535), (Holder{.owner = 65535, .uid = 65535}));
}

TEST(HoldersTest, SubordinateUidsCountTowardsTheirOwner) {
  const Holders holders(
      {{.owner = 1001, .first = 165536, .count = 65536}, {.owner = 1000, .first = 100000, .count = 65536}});
  EXPECT_EQ(holders.of(100000), (Holder{.owner = 1000, .uid = 100000}));
  EXPECT_EQ(holders.of(165535), (Holder{.owner = 1000, .uid = 165535}));
  EXPECT_EQ(holders.of(165536), (Holder{.owner = 1001, .uid = 165536}));
  EXPECT_EQ(holders.of(1000), (Holder{.owner = 1000, .uid = 1000}));
  EXPECT_NE(holders.of(99999).owner, 1000U);
  EXPECT_NE(holders.of(231072).owner, 1001U);
}

TEST(HoldersTest, ReadsLines) {
  const Holders holders = Holders::parse(
      "1000:100000:65536\n\nann:1:2\n7:x:9\n1:2\n1:2:3:4\n*:1\n*:x:1\n*1:5:9\n1001:165536:65536");
  EXPECT_EQ(holders.of(100000).owner, 1000U);
  EXPECT_EQ(holders.of(165536).owner, 1001U);
  EXPECT_EQ(holders.of(3).owner, 3U) << "what is no range counts for nothing";
  EXPECT_EQ(Holders::parse("").of(100000), Holders().of(100000));
}

TEST(HoldersTest, OtherHighUidsHaveOneOwnerABlock) {
  const Holders holders;
  EXPECT_EQ(holders.of(131072).owner, holders.of(196607).owner);
  EXPECT_NE(holders.of(131072).owner, holders.of(131071).owner);
  EXPECT_NE(holders.of(131072).uid, holders.of(131073).uid);
  for (const std::uint32_t user : {0U, 1U, 2U, 1000U, 65534U, 65535U}) {
    EXPECT_NE(holders.of(131072).owner, holders.of(user).owner) << "a block is no user";
  }
}

TEST(HoldersTest, WhereUsersComeFromADirectoryHighUidsAreUsersEach) {
  const Holders holders = Holders::parse("*:65536:2147418112\n1000:100000:65536\n1003:1003:1\n");
  EXPECT_EQ(holders.of(1794400000), (Holder{.owner = 1794400000, .uid = 1794400000}));
  EXPECT_EQ(holders.of(1794400001), (Holder{.owner = 1794400001, .uid = 1794400001}));
  EXPECT_EQ(holders.of(65536).owner, 65536U);
  EXPECT_EQ(holders.of(100001).owner, 1000U) << "what is known to be subordinate stays so";
  EXPECT_EQ(holders.of(165536).owner, 165536U);
  EXPECT_EQ(holders.of(0x80000000).owner, holders.of(0x80000001).owner) << "a directory's subordinate uids";
}

TEST(HoldersTest, AUserMayLieWithinSomebodysSubordinateUids) {
  const Holders holders = Holders::parse("100500:100500:1\n1000:100000:65536\n0:90000:1000000\n");
  EXPECT_EQ(holders.of(100500).owner, 100500U);
  EXPECT_EQ(holders.of(100501).owner, 1000U);
  EXPECT_EQ(holders.of(99999).owner, 0U);
  EXPECT_EQ(holders.of(165536).owner, 0U);
}

TEST(HoldersTest, WhoIsUnknownIsNobodyElse) {
  const Holders holders;
  EXPECT_EQ(holders.of(std::nullopt), holders.of(std::nullopt));
  EXPECT_NE(holders.of(std::nullopt).owner, holders.of(0).owner);
}

}  // namespace
}  // namespace msi2imds
