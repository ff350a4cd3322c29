// SPDX-License-Identifier: MIT
#include "caller/agreement.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace msi2imds::caller {
namespace {

Clues made_by(std::uint32_t uid, std::uint64_t cgroup) {
  Clues socket;
  socket.cookie = 1;
  socket.inode = 2;
  socket.has_uid = true;
  socket.uid = uid;
  socket.has_cgroup_id = true;
  socket.cgroup_id = cgroup;
  socket.is_fresh = true;
  return socket;
}

Clues dialled_by(std::uint32_t uid, std::uint64_t cgroup) {
  Clues dialler;
  dialler.cookie = 1;
  dialler.has_uid = true;
  dialler.uid = uid;
  dialler.gid = 7;
  dialler.pid = 100;
  dialler.has_cgroup_id = true;
  dialler.cgroup_id = cgroup;
  return dialler;
}

TEST(AgreementTest, JoinsWhatSocketAndDiallerTell) {
  const Clues joined = join(made_by(1000, 5), dialled_by(1000, 5));
  EXPECT_EQ(joined.agreement, Agreement::agreed);
  EXPECT_FALSE(is_in_doubt(joined.agreement));
  EXPECT_EQ(describe(joined), "");
  EXPECT_EQ(joined.inode, 2U);
  EXPECT_EQ(joined.pid, 100);
  EXPECT_EQ(joined.gid, 7U);
  EXPECT_TRUE(joined.is_fresh);
}

TEST(AgreementTest, TheCallerIsWhoDialledAndNotWhoMadeTheSocket) {
  const Clues joined = join(made_by(0, 5), dialled_by(4321, 5));
  EXPECT_EQ(joined.agreement, Agreement::another_user);
  EXPECT_TRUE(is_in_doubt(joined.agreement));
  EXPECT_EQ(joined.uid, 4321U);
  EXPECT_EQ(describe(joined), "another-user: uid 4321 connected a socket that uid 0 had made");
}

TEST(AgreementTest, ASocketOfAnotherCgroupIsSaid) {
  const Clues joined = join(made_by(1000, 5), dialled_by(1000, 6));
  EXPECT_EQ(joined.agreement, Agreement::another_cgroup);
  EXPECT_TRUE(is_in_doubt(joined.agreement));
  EXPECT_EQ(joined.cgroup_id, 6U);
}

TEST(AgreementTest, ASocketThatTellsNoCgroupContradictsNone) {
  constexpr std::uint64_t kRoot = 1;
  EXPECT_EQ(join(made_by(1000, kRoot), dialled_by(1000, 6)).agreement, Agreement::agreed);
  Clues old = made_by(1000, 0);
  old.has_cgroup_id = false;
  EXPECT_EQ(join(old, dialled_by(1000, 6)).agreement, Agreement::agreed);
}

TEST(AgreementTest, WhatNobodySawIsInDoubtAndWhatNobodyCanCheckIsNot) {
  EXPECT_TRUE(is_in_doubt(Agreement::unseen));
  EXPECT_FALSE(is_in_doubt(Agreement::unchecked));
}

// They come from another process, which may have been taken over.
TEST(CluesTest, MeanSomethingWhateverTheirBytesAre) {
  for (const int byte : {0, 1, 2, 0xfe, 0xff}) {
    std::array<unsigned char, sizeof(Clues)> bytes{};
    bytes.fill(static_cast<unsigned char>(byte));
    Clues clues;
    std::memcpy(&clues, bytes.data(), bytes.size());
    for (const bool is_set : {clues.has_uid, clues.has_cgroup_id, clues.wants_sha256, clues.is_fresh}) {
      EXPECT_EQ(is_set, byte != 0) << byte;
    }
    EXPECT_EQ(clues.known_uid().has_value(), byte != 0) << byte;
    (void)describe(clues);
  }
}

}  // namespace
}  // namespace msi2imds::caller
