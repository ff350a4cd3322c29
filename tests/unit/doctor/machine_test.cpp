// SPDX-License-Identifier: MIT
#include "doctor/machine.hpp"

#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

const Result<migration::ReachedImds> kNoImds = Error::from_errno(ENETUNREACH, "ask IMDS");

class MachineTest : public FakeMachine {};

TEST_F(MachineTest, NamesTheDistribution) {
  write("etc/os-release", "ID=x\nPRETTY_NAME=\"Old Linux 7\"\n");
  EXPECT_EQ(find(check_machine(host(), kNoImds), "Old Linux 7, Linux ").level, Level::ok);
}

TEST_F(MachineTest, LooksAtAnEmptyMachine) {
  const Findings findings = check_machine(host(), kNoImds);
  find(findings, "an unknown distribution");
  find(findings, "no cgroups mounted");
  find(findings, "Systemd is not running");
  EXPECT_EQ(worst_of(findings), Level::ok);
}

TEST_F(MachineTest, NamesTheSettingThatNeedsCgroupsOfVersion2) {
  write("proc/self/mountinfo", "24 1 0:21 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n");
  config.callers.cgroup = "/old.slice";
  const Findings one = check_machine(host(), kNoImds);
  EXPECT_EQ(find(one, "(callers.cgroup): no cgroup of version 2").level, Level::warning);
  EXPECT_EQ(worst_of(one), Level::warning) << "redirect.cgroups is not set";
  config.redirect.cgroups = {"/old.slice"};
  EXPECT_EQ(find(check_machine(host(), kNoImds), "(redirect.cgroups): no cgroup of version 2").level,
            Level::error);
  write("proc/self/mountinfo", "24 1 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
  EXPECT_EQ(worst_of(check_machine(host(), kNoImds)), Level::ok);
}

TEST_F(MachineTest, KnowsUnifiedCgroups) {
  write("proc/self/mountinfo", "24 1 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
  find(check_machine(host(), kNoImds), "unified cgroups");
}

TEST_F(MachineTest, KnowsHybridCgroups) {
  write("proc/self/mountinfo",
        "24 1 0:21 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n"
        "25 1 0:22 / /sys/fs/cgroup/cpu rw shared:1 - cgroup cgroup rw,cpu\n");
  find(check_machine(host(), kNoImds), "hybrid cgroups");
}

TEST_F(MachineTest, KnowsLegacyCgroups) {
  write("proc/self/mountinfo", "25 1 0:22 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n");
  find(check_machine(host(), kNoImds), "legacy cgroups");
}

TEST_F(MachineTest, TellsTheVersionOfSystemd) {
  write("run/systemd/system/x", "");
  commands.outputs["systemctl"] = "systemd 252 (252.1)\n+PAM\n";
  find(check_machine(host(), kNoImds), "systemd 252 (252.1).");
}

TEST_F(MachineTest, EndsWithoutSystemctl) {
  write("run/systemd/system/x", "");
  find(check_machine(host(), kNoImds), "its version is not known");
}

TEST_F(MachineTest, TellsAzuresNames) {
  const migration::Instance instance{
      .subscription = "s", .resource_group = "group", .name = "web_3", .scale_set = "web"};
  find(check_machine(host(), migration::ReachedImds{.clock_ahead = {}, .instance = instance}),
       "'web_3' in the scale set 'web', resource group 'group'");
}

TEST_F(MachineTest, KnowsLessWithoutRoot) {
  is_root = false;
  EXPECT_EQ(find(check_machine(host(), kNoImds), "not run by root").level, Level::unknown);
}

}  // namespace
}  // namespace msi2imds::doctor
