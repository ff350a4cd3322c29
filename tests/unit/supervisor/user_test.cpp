// SPDX-License-Identifier: MIT
#include "supervisor/user.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::supervisor {
namespace {

class FindUserTest : public testing::Test {
 protected:
  Result<User> find(std::string_view name, const std::string& passwd) {
    const std::string path = directory_.file("passwd");
    std::ofstream(path) << passwd;
    return find_user(name, path);
  }

  support::TemporaryDirectory directory_;
};

TEST_F(FindUserTest, FindsAUserAmongOthers) {
  const auto user = find("msi2imds",
                         "root:x:0:0:root:/root:/bin/bash\n"
                         "msi2imds2:x:1:1::/:/bin/false\n"
                         "msi2imds:x:998:997::/nonexistent:/usr/sbin/nologin\n");
  ASSERT_TRUE(user);
  EXPECT_EQ(user->name, "msi2imds");
  EXPECT_EQ(user->uid, 998U);
  EXPECT_EQ(user->gid, 997U);
}

TEST_F(FindUserTest, FindsAUserOnALastLineWithoutEnd) {
  EXPECT_TRUE(find("msi2imds", "msi2imds:x:998:997::/:/bin/false"));
}

TEST_F(FindUserTest, SaysHowToMakeAMissingUser) {
  const auto user = find("msi2imds", "root:x:0:0:root:/root:/bin/bash\n");
  ASSERT_FALSE(user);
  EXPECT_NE(user.error().message().find(
                "run the responder as 'msi2imds' (responder.user): there is no such user in "),
            std::string::npos);
  EXPECT_NE(user.error().message().find("useradd --system"), std::string::npos);
  EXPECT_TRUE(user.error().message().ends_with(" msi2imds")) << user.error().message();
}

TEST_F(FindUserTest, RefusesRootUnderAnyName) {
  for (const char* name : {"root", "toor"}) {
    const auto user = find(name, "root:x:0:0::/root:/bin/bash\ntoor:x:0:0::/root:/bin/bash\n");
    ASSERT_FALSE(user);
    EXPECT_NE(user.error().message().find("is root"), std::string::npos) << user.error().message();
  }
}

TEST_F(FindUserTest, SkipsDamagedLines) {
  const auto user = find("msi2imds",
                         "\n:::\nmsi2imds\nmsi2imds:x\nmsi2imds:x:1\nmsi2imds:x::2\nmsi2imds:x:-1:2::\n"
                         "msi2imds:x:1x:2::\nmsi2imds:x:99999999999:2::\nmsi2imds:x:998:997::/:/bin/false\n");
  ASSERT_TRUE(user);
  EXPECT_EQ(user->uid, 998U);
}

TEST_F(FindUserTest, FindsNobodyInDamagedLinesAlone) {
  EXPECT_FALSE(find("msi2imds", "msi2imds:x:998\n"));
}

// 4294967295 is -1, with which setresuid(2) changes nothing: the responder would stay root.
TEST_F(FindUserTest, RefusesTheNumberThatMeansNoChange) {
  EXPECT_FALSE(find("msi2imds", "msi2imds:x:4294967295:997::/:/bin/false\n"));
  EXPECT_FALSE(find("msi2imds", "msi2imds:x:998:4294967295::/:/bin/false\n"));
}

TEST_F(FindUserTest, SaysWhatAUserNamespaceLacks) {
  std::filesystem::create_directory(directory_.path() / "self");
  for (const char* map : {"self/uid_map", "self/gid_map"}) {
    std::ofstream(directory_.path() / map) << "0 1000 1\n";
  }
  std::ofstream(directory_.file("passwd")) << "msi2imds:x:998:997::/:/bin/false\n";
  const auto user = find_user("msi2imds", directory_.file("passwd"), directory_.path().string());
  ASSERT_FALSE(user);
  EXPECT_NE(user.error().message().find("this user namespace does not have uid 998 and gid 997"),
            std::string::npos)
      << user.error().message();
}

TEST_F(FindUserTest, SaysThatThereIsNoFile) {
  const auto user = find_user("msi2imds", directory_.file("no_such_file"));
  ASSERT_FALSE(user);
  EXPECT_EQ(user.error().code().value(), ENOENT);
}

}  // namespace
}  // namespace msi2imds::supervisor
