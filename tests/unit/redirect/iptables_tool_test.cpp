// SPDX-License-Identifier: MIT
#include "redirect/iptables_tool.hpp"

#include <gtest/gtest.h>

#include "base/run_to_end.hpp"
#include "redirect/errors.hpp"
#include "unit/redirect/fake_command_runner.hpp"

namespace msi2imds::redirect {
namespace {

constexpr int kLocked = 4;
const std::string kList = "iptables -t nat -S";
const std::string kRestore = "iptables-restore --noflush";

class IptablesToolTest : public testing::Test {
 protected:
  std::shared_ptr<FakeCommandRunner> host_ = std::make_shared<FakeCommandRunner>();
  std::chrono::milliseconds waited_{0};
  std::vector<long> waits_;
  IptablesTool tool_{iptables_programs(kIpv4, ""), host_,
                     [this](std::chrono::milliseconds time) -> asio::awaitable<void> {
                       waited_ += time;
                       waits_.push_back(time.count());
                       co_return;
                     }};

  Result<void> change() {
    return run_to_end(tool_.change([](const IptablesNat& found) {
      return found.chains.empty() ? std::string("made") : std::string("changed");
    }));
  }
};

TEST_F(IptablesToolTest, KnowsThePrograms) {
  EXPECT_EQ(iptables_programs(kIpv4, "").restore, "iptables-restore");
  EXPECT_EQ(iptables_programs(kIpv6, "-legacy").list, "ip6tables-legacy");
  EXPECT_EQ(iptables_programs(kIpv6, "-nft").save, "ip6tables-nft-save");
}

TEST_F(IptablesToolTest, ChangesWhatItFound) {
  host_->succeed(kList, "-N MSI2IMDS\n");
  host_->succeed(kRestore);
  EXPECT_TRUE(change());
  EXPECT_EQ(host_->calls.back().input, "changed");
  EXPECT_TRUE(waits_.empty());
}

TEST_F(IptablesToolTest, RunsNothingForNothing) {
  host_->succeed(kList);
  EXPECT_TRUE(run_to_end(tool_.change([](const IptablesNat&) { return std::string(); })));
  EXPECT_EQ(host_->calls.size(), 1U);
}

TEST_F(IptablesToolTest, LooksAtWhatWasSeenOnlyWhereThatHasFailed) {
  const TextFor text_for = [](const IptablesNat& found) { return found.chains.empty() ? "made" : "changed"; };
  IptablesNat seen;
  seen.chains = {"MSI2IMDS"};
  host_->succeed(kList);
  host_->succeed(kRestore);
  host_->fail(kRestore, 1, "iptables-restore: line 3 failed\n");
  host_->succeed(kRestore);
  EXPECT_TRUE(run_to_end(tool_.change(text_for, seen)));
  EXPECT_EQ(host_->calls.back().input, "changed");
  EXPECT_EQ(host_->count(kList), 0U);
  EXPECT_TRUE(run_to_end(tool_.change(text_for, seen)));
  EXPECT_EQ(host_->calls.back().input, "made");
  EXPECT_EQ(host_->count(kList), 1U);
}

TEST_F(IptablesToolTest, LooksAgainBeforeItTriesAgain) {
  host_->succeed(kList);
  host_->succeed(kList, "-N MSI2IMDS\n");
  host_->fail(kRestore, 1, "iptables-restore: line 3 failed\n");
  host_->succeed(kRestore);
  EXPECT_TRUE(change());
  EXPECT_EQ(host_->calls.back().input, "changed");
  EXPECT_TRUE(waits_.empty());
}

TEST_F(IptablesToolTest, WaitsLongerAndLongerForALock) {
  host_->fail(kList, kLocked,
              "Another app is currently holding the xtables lock. Perhaps you want to use -w?\n");
  host_->fail(kList, kLocked, "Another app is currently holding the xtables lock.\n");
  host_->fail(kList, kLocked, "Another app is currently holding the xtables lock.\n");
  host_->succeed(kList);
  host_->fail(kRestore, 1, "iptables-restore: Resource temporarily unavailable.\n");
  host_->succeed(kRestore);
  EXPECT_TRUE(change());
  EXPECT_EQ(waits_, (std::vector<long>{50, 100, 200, 400}));
}

TEST_F(IptablesToolTest, GivesUpAfterTwoSeconds) {
  host_->fail(kList, kLocked, "Another app is currently holding the xtables lock.\n");
  const auto looked = run_to_end(tool_.look());
  ASSERT_FALSE(looked);
  EXPECT_EQ(looked.error().code(), Errc::locked);
  EXPECT_GT(waited_, std::chrono::seconds(1));
  EXPECT_LE(waited_, std::chrono::seconds(2));
}

TEST_F(IptablesToolTest, DoesNotWaitWherePermissionIsMissing) {
  host_->fail(kList, kLocked, "Fatal: can't open lock file /run/xtables.lock: Permission denied\n");
  const auto changed = change();
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code(), Errc::not_permitted);
  EXPECT_TRUE(waits_.empty());
}

TEST_F(IptablesToolTest, ReadsWhatIsSavedWhereAProgramCannotList) {
  host_->fail(kList, 2, "iptables v1.3.5: Unknown arg `-S'\n");
  host_->succeed("iptables-save -t nat", "*nat\n:MSI2IMDS - [0:0]\nCOMMIT\n");
  const auto found = run_to_end(tool_.look());
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->chains, std::vector<std::string>{"MSI2IMDS"});
}

TEST_F(IptablesToolTest, TellsTheFlavoursApart) {
  host_->succeed("iptables --version", "iptables v1.8.9 (nf_tables)\n");
  host_->succeed("iptables --version", "iptables v1.8.9 (legacy)\n");
  host_->succeed("iptables --version", "iptables v1.4.21\n");
  EXPECT_TRUE(*run_to_end(tool_.speaks_nftables()));
  EXPECT_FALSE(*run_to_end(tool_.speaks_nftables()));
  EXPECT_FALSE(*run_to_end(tool_.speaks_nftables()));
}

}  // namespace
}  // namespace msi2imds::redirect
