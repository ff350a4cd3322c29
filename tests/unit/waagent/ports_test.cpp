// SPDX-License-Identifier: MIT
#include "waagent/ports.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::waagent {
namespace {

using Ports = std::vector<std::uint16_t>;

class PortsTest : public testing::Test {
 protected:
  PortsTest() {
    std::filesystem::create_directories(config_.waagent.root);
    config_.waagent.state_directory = directory_.file("state");
  }
  void write_discovery_file(const std::string& port) {
    std::ofstream(root_ / "ManagedIdentity-Settings") << R"({"url":"http://localhost:)" << port << R"("})";
  }
  void write_settings(const std::string& members) {
    const auto folder = root_ / "Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux-1.0" / "config";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "0.settings")
        << R"({"runtimeSettings":[{"handlerSettings":{)" << members << "}}]}";
  }
  Ports settled() {
    told_ = settle_ports(config_);
    return config_.legacy.ports;
  }

  support::TemporaryDirectory directory_;
  std::filesystem::path root_ = directory_.file("waagent");
  config::Config config_ = [this] {
    config::Config config;
    config.waagent.root = root_.string();
    return config;
  }();
  std::vector<std::string> told_;
};

TEST_F(PortsTest, AreTheDocumentedOneWithoutEvidence) {
  EXPECT_EQ(settled(), Ports{50342});
  EXPECT_EQ(told_, std::vector<std::string>{"legacy port 50342: it is the documented port"});
  EXPECT_FALSE(config_.legacy.find_ports);
}

TEST_F(PortsTest, AreLeftAsTheyWereSet) {
  write_discovery_file("50343");
  config_.legacy.find_ports = false;
  config_.legacy.ports = {7};
  EXPECT_EQ(settled(), Ports{7});
  EXPECT_TRUE(told_.empty());
}

TEST_F(PortsTest, ComeFromTheDiscoveryFileBeforeTheSettings) {
  write_settings(R"("publicSettings":{"port":"50344"})");
  EXPECT_EQ(settled(), Ports{50344});
  write_discovery_file("50343");
  config_.legacy.find_ports = true;
  EXPECT_EQ(settled(), (Ports{50343, 50344}));
  EXPECT_EQ(told_.front(), "legacy port 50343: ManagedIdentity-Settings leads there");
}

TEST_F(PortsTest, OfProtectedSettingsAreDoubted) {
  write_settings(R"("publicSettings":{"port":50343},"protectedSettings":"x")");
  EXPECT_EQ(settled(), (Ports{50343, 50342}));
}

TEST_F(PortsTest, AreRememberedWhenNothingElseSpeaksForThem) {
  const Places places = places_of(config_);
  ASSERT_TRUE(note_ports(places, {50343, 50344}));
  EXPECT_EQ(settled(), (Ports{50343, 50344}));
}

TEST_F(PortsTest, AreNotThoseThatWeUseOurselves) {
  config_.metrics.port = 50343;
  write_discovery_file("50343");
  write_settings(R"("publicSettings":{"port":342})");
  EXPECT_EQ(settled(), Ports{50342});
}

TEST_F(PortsTest, OfADamagedNoteAreIgnored) {
  std::filesystem::create_directories(config_.waagent.state_directory);
  std::ofstream(std::filesystem::path(config_.waagent.state_directory) / "legacy-ports")
      << "x\n70000\n50343\n\n";
  EXPECT_EQ(settled(), Ports{50343});
}

}  // namespace
}  // namespace msi2imds::waagent
