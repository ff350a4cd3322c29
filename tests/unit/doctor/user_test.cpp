// SPDX-License-Identifier: MIT
#include "doctor/user.hpp"

#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

class UserTest : public FakeMachine {
 protected:
  UserTest() {
    config.responder.user = "msi2imds";
    write("etc/passwd", "root:x:0:0::/root:/bin/sh\nmsi2imds:x:998:997::/:/usr/sbin/nologin\n");
  }
};

TEST_F(UserTest, SaysNothingWhereTheUserIsThere) {
  EXPECT_TRUE(check_user(host()).empty()) << "a kernel without user namespaces";
  write("proc/self/uid_map", "0 0 4294967295\n");
  write("proc/self/gid_map", "0 0 4294967295\n");
  EXPECT_TRUE(check_user(host()).empty());
}

TEST_F(UserTest, SaysThatTheUserIsMissingOrRoot) {
  config.responder.user = "nobody-of-that-name";
  const Finding missing = find(check_user(host()), "there is no such user in ");
  EXPECT_EQ(missing.level, Level::error);
  EXPECT_NE(missing.advice.find("useradd --system"), std::string::npos) << missing.advice;
  config.responder.user = "root";
  EXPECT_EQ(find(check_user(host()), "root (responder.user): it is root.").level, Level::error);
}

TEST_F(UserTest, SaysWhichIdsAreMissing) {
  write("proc/self/uid_map", "0 1000 1\n");
  write("proc/self/gid_map", "0 1000 1\n");
  const Finding both = find(check_user(host()),
                            "The responder cannot run as msi2imds (responder.user): this user namespace does "
                            "not have uid 998 and gid 997.");
  EXPECT_EQ(both.level, Level::error);
  write("proc/self/uid_map", "0 1000 1\n900 100000 99\n");
  find(check_user(host()), "does not have gid 997.");
}

}  // namespace
}  // namespace msi2imds::doctor
