// SPDX-License-Identifier: MIT
#include "doctor/extension.hpp"

#include "unit/doctor/fake_machine.hpp"
#include "waagent/discovery_file.hpp"

namespace msi2imds::doctor {
namespace {

const std::string kConfig =
    "waagent/Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux-1.0.0.10/config/";

class ExtensionTest : public FakeMachine {
 protected:
  // As process 812 of a user, who may have started a setuid program.
  void run_extension(uid_t user) {
    write("proc/812/comm", "msi-extension\n");
    write("proc/812/status",
          "Name:\tmsi-extension\nUid:\t" + std::to_string(user) + "\t0\t0\t0\nGid:\t0\t0\t0\t0\n");
  }
};

TEST_F(ExtensionTest, NothingIsThere) {
  const Findings findings = check_extension(host());
  EXPECT_EQ(worst_of(findings), Level::ok);
  find(findings, "has no managed identity extension");
  find(findings, "ManagedIdentity-Settings is not there; msi2imds makes it");
}

TEST_F(ExtensionTest, EnabledWithoutAProcessIsAWarning) {
  write(kConfig + "HandlerState", "Enabled");
  const Findings findings = check_extension(host());
  EXPECT_EQ(find(findings, "version 1.0.0.10 is Enabled").level, Level::ok);
  EXPECT_EQ(find(findings, "does not run").level, Level::warning);
}

TEST_F(ExtensionTest, InstalledNeedsNoProcess) {
  write(kConfig + "HandlerState", "Installed");
  EXPECT_EQ(worst_of(check_extension(host())), Level::ok);
}

TEST_F(ExtensionTest, TellsItsProcess) {
  write(kConfig + "HandlerState", "Enabled");
  run_extension(0);
  const Findings findings = check_extension(host());
  find(findings, "runs as process 812 in no unit.");
  EXPECT_EQ(worst_of(findings), Level::ok);
}

TEST_F(ExtensionTest, IsNoProcessThatAnybodyCallsLikeIt) {
  write(kConfig + "HandlerState", "Enabled");
  run_extension(1000);
  find(check_extension(host()), "does not run");
}

TEST_F(ExtensionTest, IsNoProcessOfAnotherNamespace) {
  write(kConfig + "HandlerState", "Enabled");
  run_extension(0);
  write("proc/self/ns/net", "");
  write("proc/812/ns/net", "");
  find(check_extension(host()), "does not run");
}

TEST_F(ExtensionTest, TellsOfItsUnit) {
  write("etc/systemd/system/azuremsixtn.service", "");
  find(check_extension(host()), "azuremsixtn.service is still there");
}

TEST_F(ExtensionTest, AFailedUpgradeIsAWarning) {
  write(kConfig + "HandlerState", "FailedUpgrade");
  EXPECT_EQ(find(check_extension(host()), "FailedUpgrade").level, Level::warning);
}

TEST_F(ExtensionTest, AStateThatIsNotUnderstoodIsAWarning) {
  write(kConfig + "HandlerState", "Dancing");
  EXPECT_EQ(find(check_extension(host()), "HandlerState").level, Level::warning);
}

TEST_F(ExtensionTest, AnUnreadableDirectoryIsAWarning) {
  write("waagent", "a file in its place");
  EXPECT_EQ(find(check_extension(host()), "Cannot read the extension's files").level, Level::warning);
}

TEST_F(ExtensionTest, SomebodyElsesDiscoveryFile) {
  write("waagent/ManagedIdentity-Settings", R"({"url":"http://localhost:50342"})");
  EXPECT_EQ(find(check_extension(host()), "(not ours) leads to port 50342.").level, Level::ok);
}

TEST_F(ExtensionTest, WithoutRootItIsNotSaidWhoseTheDiscoveryFileIs) {
  is_root = false;
  write("waagent/ManagedIdentity-Settings", R"({"url":"http://localhost:50342"})");
  EXPECT_EQ(find(check_extension(host()), "ManagedIdentity-Settings leads to port 50342.").level, Level::ok);
}

TEST_F(ExtensionTest, WithoutRootWhatCannotBeReadIsUnknown) {
  is_root = false;
  write("waagent", "a file in its place");
  const Findings findings = check_extension(host());
  EXPECT_EQ(find(findings, "Cannot read the extension's files").level, Level::unknown);
  find(findings, "Not a directory. It may use other ports than those named here.");
  EXPECT_EQ(find(findings, "Cannot read ManagedIdentity-Settings").level, Level::unknown);
}

TEST_F(ExtensionTest, ThePortsThatTheConfigurationNamesAreNotInDoubt) {
  is_root = false;
  config.legacy.find_ports = false;
  write("waagent", "a file in its place");
  EXPECT_TRUE(
      find(check_extension(host()), "Cannot read the extension's files").text.ends_with("Not a directory."));
}

TEST_F(ExtensionTest, OurDiscoveryFile) {
  write("waagent/x", "");
  waagent::Places places = waagent::places_of(config);
  ASSERT_TRUE(waagent::keep_discovery_file(places, 50342));
  EXPECT_EQ(find(check_extension(host()), "(ours) leads to port 50342.").level, Level::ok);
}

TEST_F(ExtensionTest, ADiscoveryFileForAnotherPortIsAWarning) {
  write("waagent/ManagedIdentity-Settings", R"({"url":"http://localhost:50343/oauth2"})");
  EXPECT_EQ(find(check_extension(host()), "port 50343, which is none").level, Level::warning);
}

TEST_F(ExtensionTest, ADiscoveryFileWithoutAPortIsAWarning) {
  write("waagent/ManagedIdentity-Settings", "nonsense");
  EXPECT_EQ(find(check_extension(host()), "leads to no loopback port").level, Level::warning);
}

TEST_F(ExtensionTest, ADirectoryInPlaceOfTheDiscoveryFileIsAWarning) {
  write("waagent/ManagedIdentity-Settings/x", "");
  EXPECT_EQ(find(check_extension(host()), "Cannot read ManagedIdentity-Settings").level, Level::warning);
}

}  // namespace
}  // namespace msi2imds::doctor
