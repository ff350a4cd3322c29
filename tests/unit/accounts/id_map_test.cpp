// SPDX-License-Identifier: MIT
#include "accounts/id_map.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::accounts {
namespace {

TEST(IdMapTest, KnowsTheIdsOfItsRanges) {
  const std::string map = "         0       1000          1\n       100     200000        100\n";
  EXPECT_TRUE(is_mapped(0, map));
  EXPECT_FALSE(is_mapped(1, map));
  EXPECT_FALSE(is_mapped(99, map));
  EXPECT_TRUE(is_mapped(100, map));
  EXPECT_TRUE(is_mapped(199, map));
  EXPECT_FALSE(is_mapped(200, map));
  EXPECT_FALSE(is_mapped(1000, map)) << "the number outside";
}

TEST(IdMapTest, KnowsAllIdsOfAMachine) {
  EXPECT_TRUE(is_mapped(0xfffffffe, "0 0 4294967295\n"));
  EXPECT_FALSE(is_mapped(0, "")) << "nothing was written to it yet";
}

TEST(IdMapTest, NamesWhatAUserLacks) {
  const support::TemporaryDirectory directory;
  const std::string proc = directory.path().string();
  const User user{.name = "user", .uid = 5, .gid = 6};
  EXPECT_EQ(unmapped_ids(user, proc), "") << "without the files, there are no user namespaces";
  std::filesystem::create_directories(directory.path() / "self");
  std::ofstream(directory.path() / "self" / "uid_map") << "0 0 6\n";
  std::ofstream(directory.path() / "self" / "gid_map") << "0 0 6\n";
  EXPECT_EQ(unmapped_ids(user, proc), "gid 6");
  std::ofstream(directory.path() / "self" / "uid_map") << "0 0 1\n";
  EXPECT_EQ(unmapped_ids(user, proc), "uid 5 and gid 6");
  std::ofstream(directory.path() / "self" / "gid_map") << "0 0 7\n";
  EXPECT_EQ(unmapped_ids(user, proc), "uid 5");
}

}  // namespace
}  // namespace msi2imds::accounts
