// SPDX-License-Identifier: MIT
#include "accounts/accounts.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::accounts {
namespace {

class AccountsTest : public testing::Test {
 protected:
  std::string write(const std::string& text) {
    std::ofstream(directory_.file("file")) << text;
    return directory_.file("file");
  }

  support::TemporaryDirectory directory_;
};

TEST_F(AccountsTest, FindsAUserByNameAndByNumber) {
  const std::string file = write("root:x:0:0:root:/root:/bin/bash\nbackup:x:34:35:backup:/:/bin/sh\n");
  ASSERT_TRUE(find_user("backup", file));
  EXPECT_EQ(find_user("backup", file)->uid, 34U);
  EXPECT_EQ(find_user("backup", file)->gid, 35U);
  ASSERT_TRUE(find_user(34, file));
  EXPECT_EQ(find_user(34, file)->name, "backup");
  EXPECT_FALSE(find_user("back", file));
  EXPECT_FALSE(find_user(35, file));
}

TEST_F(AccountsTest, FindsAGroup) {
  const std::string file = write("root:x:0:\nadm:x:4:syslog,ubuntu\n\ndamaged:x\nusers:x:100");
  EXPECT_EQ(find_group("adm", file), 4U);
  EXPECT_EQ(find_group("users", file), 100U);
  EXPECT_FALSE(find_group("damaged", file));
  EXPECT_FALSE(find_group("syslog", file));
}

TEST_F(AccountsTest, FindsNobodyInAFileThatIsNotThere) {
  EXPECT_FALSE(find_user("root", directory_.file("none")));
  EXPECT_FALSE(find_group("root", directory_.file("none")));
}

TEST_F(AccountsTest, TellsSubordinateUidsByTheNumbersOfTheirOwners) {
  const std::string users = directory_.file("users");
  std::ofstream(users) << "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n";
  EXPECT_EQ(subordinate_uids(write("ann:100000:65536\n1001:165536:65536\ngone:1:2\nann:x:1\nann:1\n"), users),
            "1000:100000:65536\n1001:165536:65536\n");
  EXPECT_EQ(subordinate_uids(directory_.file("none"), users), "");
}

}  // namespace
}  // namespace msi2imds::accounts
