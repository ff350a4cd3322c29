// SPDX-License-Identifier: MIT
#include "doctor/policy.hpp"

#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

class PolicyTest : public FakeMachine {};

TEST_F(PolicyTest, SaysNothingOfTheDefaults) {
  EXPECT_TRUE(check_policy(host()).empty());
}

TEST_F(PolicyTest, WarnsWhereEverybodyIsRefused) {
  config.policy.mode = config::PolicyMode::enforce;
  const Findings findings = check_policy(host());
  const Finding found =
      find(findings, "policy.mode = \"enforce\" without an [[allow]] rule refuses every caller.");
  EXPECT_EQ(found.level, Level::warning);
  EXPECT_EQ(found.advice,
            "Add an [[allow]] rule, or set policy.mode = \"audit\" or policy.default = \"allow\".");
}

TEST_F(PolicyTest, LeavesTheNamesOfKeysAsTheyAreWritten) {
  config.legacy.container_networks = {"web"};
  find(check_policy(host()), "legacy.container_networks lets every process");
}

}  // namespace
}  // namespace msi2imds::doctor
