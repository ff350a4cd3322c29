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
const std::string kListClosing = "nft -nnn list table ip msi2imds_closing";

class FakeWatch final : public ChangeWatch {
 public:
  FakeWatch(bool& changed, bool& as_seen) : changed_(changed), as_seen_(as_seen) {}
  bool needs_look() override {
    return changed_;
  }
  void confirm() override {
    changed_ = false;
  }
  bool is_as_seen() override {
    return as_seen_;
  }

 private:
  bool& changed_;
  bool& as_seen_;
};

class NftRulesTest : public testing::Test {
 protected:
  std::shared_ptr<FakeCommandRunner> host_ = std::make_shared<FakeCommandRunner>();
  bool changed_ = true;
  bool as_seen_ = false;
  NftRules rules_{kIpv4,      {50342, 50343}, 342,
                  "0123abcd", host_,          std::make_unique<FakeWatch>(changed_, as_seen_)};
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
  host_->succeed(kListTable, "table ip msi2imds {\n\tchain owner_89abcdef {\n\t}\n}\n");
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

TEST_F(NftRulesTest, LooksOnceForARepairWhereNothingHasChangedSince) {
  host_->fail(kListTable, 1,
              "Error: No such file or directory\nlist table ip msi2imds\n              ^^^^^^^^\n");
  as_seen_ = true;
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(run_to_end(rules_.check()));
    EXPECT_FALSE(run_to_end(rules_.port_of_others()));
  }
  EXPECT_EQ(host_->count(kListTable), 1U);
  as_seen_ = false;
  EXPECT_FALSE(run_to_end(rules_.port_of_others()));
  EXPECT_FALSE(run_to_end(rules_.check()));
  EXPECT_EQ(host_->count(kListTable), 3U);
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

const std::string kNotThere = "Error: Could not process rule: No such file or directory\nflush chain\n";
const std::string kCondition = "flush chain ip msi2imds owner_0123abcd\n";

TEST_F(NftRulesTest, RemovesAnybodysTables) {
  host_->succeed(kRun);
  EXPECT_EQ(*run_to_end(rules_.close(Whose::anybodys)), true);
  EXPECT_EQ(host_->calls.back().input, golden("closing_ip.nft"));
  EXPECT_TRUE(run_to_end(rules_.remove(Whose::anybodys)));
  EXPECT_NE(host_->calls.back().input.find("delete table ip msi2imds\n"), std::string::npos);
  EXPECT_EQ(host_->calls.back().input.find("flush chain"), std::string::npos);
}

TEST_F(NftRulesTest, RemovesItsTablesInTransactionsThatFailWhereTheyAreSomebodyElses) {
  host_->succeed(kRun);
  EXPECT_EQ(*run_to_end(rules_.close(Whose::ours)), true);
  EXPECT_EQ(host_->calls.back().input, kCondition + golden("closing_ip.nft"));
  EXPECT_TRUE(run_to_end(rules_.finish()));
  EXPECT_EQ(host_->calls.back().input,
            "flush chain ip msi2imds_closing owner_0123abcd\n"
            "add table ip msi2imds_closing\ndelete table ip msi2imds_closing\n");
  EXPECT_TRUE(run_to_end(rules_.remove(Whose::ours)));
  EXPECT_EQ(host_->calls[2].input, kCondition + "add table ip msi2imds\ndelete table ip msi2imds\n");
}

TEST_F(NftRulesTest, LeavesTheTablesOfASuccessorAlone) {
  host_->fail(kRun, 1, kNotThere);
  host_->succeed(kListTable, "table ip msi2imds {\n\tchain owner_89abcdef {\n\t}\n}\n");
  host_->fail(kListClosing, 1, kNotThere);
  EXPECT_EQ(*run_to_end(rules_.close(Whose::ours)), false);
  EXPECT_TRUE(run_to_end(rules_.finish()));
  EXPECT_TRUE(run_to_end(rules_.remove(Whose::ours)));
  EXPECT_EQ(host_->count(kRun), 4U) << "nothing is tried twice";
}

// nft reads all tables before it changes one, and fails where one has gone meanwhile.
TEST_F(NftRulesTest, TriesAgainWhereSomebodyElseCameInBetween) {
  host_->fail(kRun, 1, kNotThere);
  host_->succeed(kRun);
  host_->succeed(kListTable, golden("listed_by_nft_1.0.6"));
  EXPECT_EQ(*run_to_end(rules_.close(Whose::ours)), true);
  EXPECT_EQ(host_->count(kRun), 2U);
}

TEST_F(NftRulesTest, RemovesWhatIsLeftThoughSomebodyElseRemovesSomeOfIt) {
  host_->fail(kRun, 1, kNotThere);
  host_->succeed(kRun);
  host_->succeed("nft list tables", "table ip msi2imds\n");
  EXPECT_TRUE(run_to_end(rules_.remove(Whose::anybodys)));
  EXPECT_EQ(host_->count(kRun), 2U);
}

TEST_F(NftRulesTest, ASuccessIsWhatSomebodyElseHasRemoved) {
  host_->fail(kRun, 1, kNotThere);
  host_->succeed("nft list tables", "table ip filter\n");
  EXPECT_TRUE(run_to_end(rules_.remove(Whose::anybodys)));
  EXPECT_EQ(host_->count(kRun), 1U);
}

TEST_F(NftRulesTest, SaysWhyItCannotRemove) {
  host_->fail(kRun, 1, kNotThere);
  host_->succeed("nft list tables", "table ip msi2imds\n");
  EXPECT_EQ(run_to_end(rules_.remove(Whose::anybodys)).error().code(), Errc::no_nat);
}

}  // namespace
}  // namespace msi2imds::redirect
