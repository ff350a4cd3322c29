// SPDX-License-Identifier: MIT
#include "waagent/extension.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::waagent {
namespace {

class ExtensionTest : public testing::Test {
 protected:
  // The configuration folder of one version, made.
  std::filesystem::path make(const std::string& version) {
    const auto folder =
        root_ / ("Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux-" + version) / "config";
    std::filesystem::create_directories(folder);
    return folder;
  }
  void write_state(const std::string& version, const std::string& text) {
    std::ofstream(make(version) / "HandlerState") << text;
  }
  [[nodiscard]] std::string found() const {
    const auto extension = find_extension(root_);
    if (!extension) {
      return extension.error().message();
    }
    return *extension ? (*extension)->version + " " + to_string((*extension)->state) : "none";
  }

  support::TemporaryDirectory directory_;
  std::filesystem::path root_ = directory_.file("waagent");
};

TEST_F(ExtensionTest, IsNotThereWithoutTheAgent) {
  EXPECT_EQ(found(), "none");
}

TEST_F(ExtensionTest, IsNotThereAmongOtherExtensions) {
  std::filesystem::create_directories(root_ / "Microsoft.Azure.Monitor.AzureMonitorLinuxAgent-1.0");
  EXPECT_EQ(found(), "none");
}

TEST_F(ExtensionTest, ReadsEachState) {
  for (const char* state : {"Enabled", "Installed", "NotInstalled", "FailedUpgrade"}) {
    write_state("1.0.0.8", std::string(state) + "\n");
    EXPECT_EQ(found(), std::string("1.0.0.8 ") + state);
  }
}

TEST_F(ExtensionTest, AMissingStateMeansNotInstalled) {
  make("1.0.0.8");
  EXPECT_EQ(found(), "1.0.0.8 NotInstalled");
}

TEST_F(ExtensionTest, TakesTheNewestVersionByItsNumbers) {
  write_state("1.0.0.8", "Enabled");
  write_state("1.0.0.10", "Installed");
  EXPECT_EQ(found(), "1.0.0.10 Installed");
}

// The agent marks a version as not installed before it downloads it, and leaves it so when the update fails.
TEST_F(ExtensionTest, TakesTheVersionThatTheAgentHasDuringAnUpdate) {
  write_state("1.0.0.8", "Enabled");
  write_state("1.0.0.10", "NotInstalled");
  EXPECT_EQ(found(), "1.0.0.8 Enabled");
  write_state("1.0.0.10", "FailedUpgrade");
  EXPECT_EQ(found(), "1.0.0.10 FailedUpgrade");
  write_state("1.0.0.8", "NotInstalled");
  write_state("1.0.0.10", "NotInstalled");
  EXPECT_EQ(found(), "1.0.0.10 NotInstalled");
}

TEST_F(ExtensionTest, DoesNotUnderstandADamagedState) {
  for (const std::string& text :
       {std::string(), std::string("enabled"), std::string(100'000, 'E'), std::string(4, '\0')}) {
    write_state("1.0.0.8", text);
    EXPECT_EQ(found(), "1.0.0.8 unknown");
  }
}

TEST_F(ExtensionTest, FollowsNoLinkAndWaitsForNoPipe) {
  write_state("elsewhere", "Enabled");
  const auto elsewhere = make("elsewhere");
  const auto config = make("1.0.0.8");
  std::filesystem::create_symlink(elsewhere / "HandlerState", config / "HandlerState");
  std::filesystem::remove_all(elsewhere.parent_path());
  EXPECT_EQ(found(), "1.0.0.8 unknown");
  std::filesystem::remove(config / "HandlerState");
  ASSERT_EQ(::mkfifo((config / "HandlerState").c_str(), 0600), 0);
  EXPECT_EQ(found(), "1.0.0.8 unknown");
}

}  // namespace
}  // namespace msi2imds::waagent
