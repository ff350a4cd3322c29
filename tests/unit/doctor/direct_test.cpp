// SPDX-License-Identifier: MIT
#include "doctor/direct.hpp"

#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

class DirectTest : public FakeMachine {
 protected:
  DirectTest() {
    is_root = false;  // who is not root looks for nothing in the kernel
    config.policy.mode = config::PolicyMode::enforce;
  }

  bool imds_answers = false;
};

TEST_F(DirectTest, SaysNothingWhereNobodyIsRefused) {
  config.policy.mode = config::PolicyMode::audit;
  EXPECT_TRUE(check_direct(host(), imds_answers).empty());
}

TEST_F(DirectTest, WarnsThatRefusedCallersCanAskImdsItself) {
  const Finding found = find(check_direct(host(), imds_answers),
                             "Whoever is refused can still ask http://169.254.169.254 itself.");
  EXPECT_EQ(found.check, "direct");
  EXPECT_EQ(found.level, Level::warning);
  EXPECT_EQ(found.advice, "Set policy.close_imds = true to close it to users whom no rule names.");
}

TEST_F(DirectTest, DoesNotWarnWhereImdsIsToBeClosed) {
  config.policy.close_imds = true;
  EXPECT_EQ(find(check_direct(host(), imds_answers), "will be closed to refused callers").level, Level::ok);
}

TEST_F(DirectTest, LeavesACanaryToStatus) {
  config.policy.close_imds = true;
  config.redirect.cgroups = {"/a"};
  is_running = true;
  EXPECT_EQ(find(check_direct(host(), imds_answers), "in redirect.cgroups alone").level, Level::ok);
}

}  // namespace
}  // namespace msi2imds::doctor
