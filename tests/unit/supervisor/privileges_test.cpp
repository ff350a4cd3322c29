// SPDX-License-Identifier: MIT
#include "supervisor/privileges.hpp"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

namespace msi2imds::supervisor {
namespace {

using confinement::set_of;

constexpr Capabilities kAllOf3_10 = (Capabilities{1} << (CAP_BLOCK_SUSPEND + 1U)) - 1;
constexpr Capabilities kAllOf5_9 = (Capabilities{1} << (CAP_CHECKPOINT_RESTORE + 1U)) - 1;

TEST(PrivilegesTest, KeepNoneThatOnlyTheStartNeeds) {
  EXPECT_EQ(needed_of(kAllOf5_9),
            set_of({CAP_DAC_READ_SEARCH, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_NET_BIND_SERVICE,
                    CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_CHROOT, CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF}));
}

TEST(PrivilegesTest, KeepSysAdminWhereTheKernelHasNothingLessForBpf) {
  EXPECT_NE(needed_of(kAllOf3_10) & set_of({CAP_SYS_ADMIN}), 0U);
  EXPECT_EQ(needed_of(kAllOf3_10) & set_of({CAP_SYS_MODULE, CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_SYS_RESOURCE}),
            0U);
}

TEST(PrivilegesTest, KeepSysAdminWhereAnOldServiceManagerGrantsNothingLess) {
  EXPECT_NE(needed_of(set_of({CAP_SYS_ADMIN, CAP_NET_ADMIN})) & set_of({CAP_SYS_ADMIN}), 0U);
  EXPECT_NE(needed_of(set_of({CAP_SYS_ADMIN, CAP_BPF})) & set_of({CAP_SYS_ADMIN}), 0U)
      << "the verifier wants both";
}

TEST(PrivilegesTest, KeepSysAdminWhereNetworksAreEntered) {
  EXPECT_EQ(needed_of(kAllOf5_9, true), needed_of(kAllOf5_9) | set_of({CAP_SYS_ADMIN}));
  EXPECT_EQ(needed_of(set_of({CAP_BPF, CAP_PERFMON}), true), set_of({CAP_BPF, CAP_PERFMON}));
}

TEST(PrivilegesTest, AddNothing) {
  EXPECT_EQ(needed_of(set_of({CAP_NET_ADMIN, CAP_KILL})), set_of({CAP_NET_ADMIN, CAP_KILL}));
  EXPECT_EQ(needed_of(0), 0U);
}

TEST(PrivilegesTest, HaveTheNamesOfTheKernel) {
  const std::vector<std::string> expected = {"CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_BPF", "capability 63"};
  EXPECT_EQ(names_of(set_of({CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN, 63})), expected);
  EXPECT_TRUE(names_of(0).empty());
}

// Whoever runs it: what is left comes from what was there, and nothing executed later gets more.
[[noreturn]] void give_up_and_tell() {
  const auto left = give_up_privileges();
  const bool done = left && ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && needed_of(*left) == *left &&
                    (::geteuid() != 0 || ::prctl(PR_CAPBSET_READ, CAP_SYS_MODULE, 0, 0, 0) == 0);
  ::_exit(done ? 0 : 1);
}

// What is kept to enter networks is not for what is executed.
[[noreturn]] void keep_for_networks_and_tell() {
  const auto held = confinement::permitted_capabilities();
  const auto left = give_up_privileges(true);
  const bool is_kept = left && *left == needed_of(*held, true);
  const bool is_bounded = (needed_of(*held) & set_of({CAP_SYS_ADMIN})) != 0 || ::geteuid() != 0 ||
                          ::prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 0;
  ::_exit(is_kept && is_bounded ? 0 : 1);
}

TEST(PrivilegesDeathTest, AreKeptFromOtherProgramsWhereNetworksAreEntered) {
  EXPECT_EXIT(keep_for_networks_and_tell(), testing::ExitedWithCode(0), "");
}

TEST(PrivilegesDeathTest, AreGivenUp) {
  EXPECT_EXIT(give_up_and_tell(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace msi2imds::supervisor
