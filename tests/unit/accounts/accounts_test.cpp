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

class OwnersOfUidsTest : public AccountsTest {
 protected:
  OwnersOfUidsTest() {
    fill(files_.passwd, "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n");
  }
  static void fill(const std::string& file, const std::string& text) {
    std::ofstream(file) << text;
  }

  Files files_{.passwd = directory_.file("users"),
               .subuid = directory_.file("subuid"),
               .nsswitch = directory_.file("nsswitch.conf")};
};

TEST_F(OwnersOfUidsTest, TellsSubordinateUidsByTheNumbersOfTheirOwners) {
  EXPECT_EQ(owners_of_uids(files_), "");
  fill(files_.subuid, "ann:100000:65536\n1001:165536:65536\nann:x:1\nann:1\n");
  EXPECT_EQ(owners_of_uids(files_), "1000:100000:65536\n1001:165536:65536\n");
}

TEST_F(OwnersOfUidsTest, TellsAnOwnerWhomPasswdDoesNotHaveByHisFirstSubordinateUid) {
  fill(files_.subuid,
       "bob@example.org:100000:65536\ncid@example.org:165536:65536\nbob@example.org:231072:65536\n");
  EXPECT_EQ(owners_of_uids(files_), "100000:100000:65536\n165536:165536:65536\n100000:231072:65536\n");
}

TEST_F(OwnersOfUidsTest, AUserWithAHighUidIsNobodyElse) {
  fill(files_.passwd, "root:x:0:0::/:\nlow:x:65535:0::/:\nhigh:x:65536:0::/:\nann:x:200500:0::/:\n");
  EXPECT_EQ(owners_of_uids(files_), "65536:65536:1\n200500:200500:1\n");
}

TEST_F(OwnersOfUidsTest, HighUidsAreAnybodysWhereUsersComeFromADirectory) {
  for (const char* passwd : {"files sss", "files systemd winbind", "files [NOTFOUND=continue] ldap",
                             "aad files", "files [ NOTFOUND=continue UNAVAIL=continue ] sss # all"}) {
    fill(files_.nsswitch, "group: files\n passwd:\t" + std::string(passwd) + "\nshadow: files\n");
    EXPECT_EQ(owners_of_uids(files_), "*:65536:2147418112\n") << passwd;
  }
  for (const char* lines : {"passwd: files systemd\nsubid: sss\n", "passwd:files [SUCCESS=return] systemd",
                            "passwd: compat # sss", "#passwd: sss", "group: files sss", "passwd:", ""}) {
    fill(files_.nsswitch, lines);
    EXPECT_EQ(owners_of_uids(files_), "") << lines;
  }
}

}  // namespace
}  // namespace msi2imds::accounts
