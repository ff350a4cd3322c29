// SPDX-License-Identifier: MIT
#include "migration/removal.hpp"

#include <gtest/gtest.h>

namespace msi2imds::migration {
namespace {

const Instance kVm{.subscription = "s-1", .resource_group = "group", .name = "vm_1", .scale_set = ""};
const Instance kScaleSet{
    .subscription = "s-1", .resource_group = "group", .name = "set_0", .scale_set = "set"};

TEST(RemovalTest, NamesTheVm) {
  const auto commands = removal_commands(kVm);
  ASSERT_EQ(commands.size(), 3U);
  EXPECT_EQ(commands[0].lines,
            std::vector<std::string>{
                "az vm extension delete --subscription s-1 --resource-group group --vm-name vm_1 "
                "--name ManagedIdentityExtensionForLinux"});
  EXPECT_EQ(commands[1].lines,
            std::vector<std::string>{"Remove-AzVMExtension -ResourceGroupName group -VMName vm_1 -Name "
                                     "ManagedIdentityExtensionForLinux"});
  EXPECT_NE(commands[2].lines.front().find("state: absent"), std::string::npos);
}

TEST(RemovalTest, NamesTheScaleSetWhereThereIsOne) {
  const auto commands = removal_commands(kScaleSet);
  ASSERT_EQ(commands[0].lines.size(), 2U);
  EXPECT_EQ(commands[0].lines[0].find(
                "az vmss extension delete --subscription s-1 --resource-group group --vmss-name "
                "set --name"),
            0U);
  EXPECT_NE(commands[0].lines[1].find("update-instances"), std::string::npos);
  EXPECT_NE(list_command(kScaleSet).find("az vmss extension list"), std::string::npos);
}

TEST(RemovalTest, QuotesWhatAShellWouldRead) {
  Instance odd = kVm;
  odd.resource_group = "a b;c'(d)\n";
  EXPECT_NE(removal_commands(odd)[0].lines.front().find("--resource-group 'a b;c'\\''(d)' --vm-name"),
            std::string::npos);
}

}  // namespace
}  // namespace msi2imds::migration
