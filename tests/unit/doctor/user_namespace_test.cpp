// SPDX-License-Identifier: MIT
#include "doctor/user_namespace.hpp"

#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

class UserNamespaceTest : public FakeMachine {
 protected:
  UserNamespaceTest() {
    config.responder.user = "msi2imds";
    write("etc/passwd", "root:x:0:0::/root:/bin/sh\nmsi2imds:x:998:997::/:/usr/sbin/nologin\n");
  }
};

TEST_F(UserNamespaceTest, SaysNothingWhereTheUserIsThere) {
  EXPECT_TRUE(check_user_namespace(host()).empty()) << "a kernel without user namespaces";
  write("proc/self/uid_map", "0 0 4294967295\n");
  write("proc/self/gid_map", "0 0 4294967295\n");
  EXPECT_TRUE(check_user_namespace(host()).empty());
  config.responder.user = "nobody-of-that-name";
  EXPECT_TRUE(check_user_namespace(host()).empty()) << "no matter of the namespace";
}

TEST_F(UserNamespaceTest, SaysWhichIdsAreMissing) {
  write("proc/self/uid_map", "0 1000 1\n");
  write("proc/self/gid_map", "0 1000 1\n");
  const Finding both = find(check_user_namespace(host()),
                            "The responder cannot run as msi2imds (responder.user): this user namespace does "
                            "not have uid 998 and gid 997.");
  EXPECT_EQ(both.level, Level::error);
  write("proc/self/uid_map", "0 1000 1\n900 100000 99\n");
  find(check_user_namespace(host()), "does not have gid 997.");
}

}  // namespace
}  // namespace msi2imds::doctor
