// SPDX-License-Identifier: MIT
#include "redirect/saved_rules.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::redirect {
namespace {

class SavedRulesTest : public testing::Test {
 protected:
  std::string save(const std::string& name, std::string_view text) const {
    const std::filesystem::path path = directory_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  [[nodiscard]] std::vector<std::string> found() const {
    return files_with_our_rules(directory_.path());
  }
  support::TemporaryDirectory directory_;
};

TEST_F(SavedRulesTest, AreFoundWhereverTheyAreLoadedFrom) {
  for (const auto& [name, text] : {
           std::pair("nftables.conf", "#!/usr/sbin/nft -f\nflush ruleset\ntable ip msi2imds {\n}\n"),
           std::pair("nftables.d/saved.nft", "add table ip6 msi2imds\n"),
           std::pair("iptables/rules.v4", "*nat\n:MSI2IMDS - [0:0]\n-A OUTPUT -p tcp -j MSI2IMDS\nCOMMIT\n"),
           std::pair("iptables/rules.v6", "*nat\n-A MSI2IMDS -p tcp -j REDIRECT --to-ports 342\nCOMMIT\n"),
           std::pair("sysconfig/iptables", "*filter\n-N MSI2IMDS_BARRIER\n"),
       }) {
    const std::string path = save(name, text);
    EXPECT_EQ(found(), std::vector<std::string>{path});
    std::filesystem::remove(path);
  }
}

TEST_F(SavedRulesTest, AreNotWhatOthersHaveSaved) {
  EXPECT_TRUE(found().empty());
  save("nftables.conf",
       "table inet others {\n\ttcp dport 50342 accept comment \"msi2imds\"\n}\n# table ip msi2imds {\n");
  save("iptables/rules.v4", "*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n");
  std::filesystem::create_directories(directory_.path() / "sysconfig" / "iptables");
  std::filesystem::create_symlink("/nowhere", directory_.path() / "iptables" / "rules.v6");
  EXPECT_TRUE(found().empty());
}

}  // namespace
}  // namespace msi2imds::redirect
