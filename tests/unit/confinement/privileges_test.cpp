// SPDX-License-Identifier: MIT
#include "confinement/privileges.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace msi2imds::confinement {
namespace {

std::string status_of(const std::string& name) {
  std::ifstream status("/proc/thread-self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":\t")) {
      return line.substr(name.size() + 2);
    }
  }
  return "";
}

const std::string kNone(16, '0');

TEST(PrivilegesDeathTest, GivesUpAllCapabilities) {
  const auto give_up = [] {
    const Result<void> kept = keep_only_capabilities(0);
    std::_Exit(kept && status_of("CapEff") == kNone && status_of("CapPrm") == kNone ? 0 : 1);
  };
  EXPECT_EXIT(give_up(), testing::ExitedWithCode(0), "");
}

TEST(PrivilegesDeathTest, ForbidsNewOnes) {
  const auto forbid = [] {
    const Result<void> forbidden = forbid_new_privileges();
    std::_Exit(forbidden && ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1);
  };
  EXPECT_EXIT(forbid(), testing::ExitedWithCode(0), "");
}

TEST(PrivilegesDeathTest, BecomesAUserWithWhatIsKept) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root becomes somebody else";
  }
  const auto become = [] {
    bound_capabilities(set_of({CAP_SETUID, CAP_SETGID, CAP_KILL}));
    const Result<void> became = become_user(4321, 4322, set_of({CAP_KILL}));
    const bool is_right = became && ::getuid() == 4321 && ::getgid() == 4322 && ::setuid(0) != 0 &&
                          status_of("Groups").find_first_not_of(' ') == std::string::npos &&
                          status_of("CapEff") == "0000000000000020" &&
                          status_of("CapBnd") == "00000000000000e0";
    std::_Exit(is_right ? 0 : 1);
  };
  EXPECT_EXIT(become(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace msi2imds::confinement
