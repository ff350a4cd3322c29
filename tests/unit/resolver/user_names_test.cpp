// SPDX-License-Identifier: MIT
#include "resolver/user_names.hpp"

#include <gtest/gtest.h>

#include "unit/resolver/fake_proc.hpp"

namespace msi2imds::resolver {
namespace {

TEST(UserNamesTest, AreThoseOfTheFile) {
  FakeProc files;
  files.write("passwd", "root:x:0:0::/:\nbackup:x:34:34::/:\n");
  UserNames names(files.path("passwd"));
  EXPECT_EQ(names.find(0), "root");
  EXPECT_EQ(names.find(34), "backup");
  EXPECT_EQ(names.find(35), "");
}

TEST(UserNamesTest, AreAskedForAgainWhenTheyCouldNotBeHad) {
  FakeProc files;
  UserNames names(files.path("passwd"));
  EXPECT_EQ(names.find(0), "");
  files.write("passwd", "root:x:0:0::/:\n");
  EXPECT_EQ(names.find(0), "root");
}

}  // namespace
}  // namespace msi2imds::resolver
