// SPDX-License-Identifier: MIT
#include "redirect/nft_rules.hpp"

#include <gtest/gtest.h>

#include "base/run_to_end.hpp"
#include "redirect/errors.hpp"
#include "unit/redirect/fake_command_runner.hpp"
#include "unit/redirect/golden.hpp"

namespace msi2imds::redirect {
namespace {

const std::string kRun = "nft -f /dev/stdin";
const std::string kListTable = "nft -nnn list table ip msi2imds";

class FakeWatch final : public ChangeWatch {
 public:
  explicit FakeWatch(bool& changed) : changed_(changed) {}
  bool needs_look() override {
    return changed_;
  }
  void confirm() override {
    changed_ = false;
  }

 private:
  bool& changed_;
};

class NftRulesTest : public testing::Test {
 protected:
  std::shared_ptr<FakeCommandRunner> host_ = std::make_shared<FakeCommandRunner>();
  bool changed_ = true;
  NftRules rules_{kIpv4, {50342, 50343}, 342, host_, std::make_unique<FakeWatch>(changed_)};
};

TEST_F(NftRulesTest, PutsTheTableInOneTransaction) {
  host_->succeed(kRun);
  EXPECT_TRUE(run_to_end(rules_.put()));
  ASSERT_EQ(host_->calls.size(), 1U);
  EXPECT_EQ(host_->calls[0].input, golden("table_ip.nft"));
}

TEST_F(NftRulesTest, RefillsTheTableWhereTheKernelAllowsOneChainOnly) {
  host_->fail(kRun, 1, "Error: Could not process rule: Device or resource busy\n");
  host_->succeed(kRun);
  EXPECT_TRUE(run_to_end(rules_.put()));
  EXPECT_EQ(host_->calls.back().input, golden("refill_ip.nft"));
}

TEST_F(NftRulesTest, LooksOnlyAfterAChange) {
  host_->succeed(kListTable, golden("listed_by_nft_1.0.6"));
  EXPECT_TRUE(run_to_end(rules_.check()));
  EXPECT_TRUE(run_to_end(rules_.check()));
  EXPECT_EQ(host_->count(kListTable), 1U);
  changed_ = true;
  EXPECT_TRUE(run_to_end(rules_.check()));
  EXPECT_EQ(host_->count(kListTable), 2U);
}

TEST_F(NftRulesTest, SaysThatTheTableIsMissingUntilItIsBack) {
  host_->fail(kListTable, 1,
              "Error: No such file or directory\nlist table ip msi2imds\n              ^^^^^^^^\n");
  for (int i = 0; i < 2; ++i) {
    const auto checked = run_to_end(rules_.check());
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().message(), "check table ip msi2imds (it is missing): not in force");
  }
}

TEST_F(NftRulesTest, SaysWhichRuleIsMissing) {
  host_->succeed(kListTable,
                 "table ip msi2imds {\n\tchain legacy_ports {\n\t\ttype nat hook output priority "
                 "-100; policy accept;\n\t}\n}\n");
  const auto checked = run_to_end(rules_.check());
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), Errc::incomplete);
}

TEST_F(NftRulesTest, SaysThatItCannotLook) {
  host_->fail(kListTable, 1, "Operation not permitted (you must be root)\n");
  const auto checked = run_to_end(rules_.check());
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), Errc::not_permitted);
}

TEST_F(NftRulesTest, RemovesTheTables) {
  host_->succeed(kRun);
  EXPECT_TRUE(run_to_end(rules_.close()));
  EXPECT_EQ(host_->calls.back().input, golden("closing_ip.nft"));
  EXPECT_TRUE(run_to_end(rules_.finish()));
  EXPECT_EQ(host_->calls.back().input, "add table ip msi2imds_closing\ndelete table ip msi2imds_closing\n");
  EXPECT_TRUE(run_to_end(rules_.remove()));
  EXPECT_NE(host_->calls.back().input.find("delete table ip msi2imds\n"), std::string::npos);
}

}  // namespace
}  // namespace msi2imds::redirect
