// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "base/run_to_end.hpp"
#include "redirect/errors.hpp"
#include "redirect/iptables_barrier.hpp"
#include "redirect/nft_barrier.hpp"
#include "redirect/rules_barrier.hpp"
#include "unit/redirect/fake_command_runner.hpp"

namespace msi2imds::redirect {
namespace {

const std::string kPutNft = "nft -f /dev/stdin";
const std::string kListNft = "nft -nnn list table ip msi2imds_barrier";
const std::string kListFilter = "iptables -t filter -S";
const std::string kRestoreFilter = "iptables-restore --noflush";

SocketAddress at(const std::string& address, std::uint16_t port) {
  return *SocketAddress::parse(address, port);
}

BarrierPlan barrier_plan() {
  return {
      .closed = {at("169.254.169.254", 80)}, .open_to = {0, 1000}, .patience = std::chrono::milliseconds(0)};
}

TEST(BarrierTextTest, NftLetsNamedUsersThroughAndRefusesWhoeverIsLeft) {
  BarrierPlan plan = barrier_plan();
  plan.closed.push_back(at("127.0.0.1", 3080));
  EXPECT_EQ(nft_barrier_text(plan, "0123abcd"),
            "add table ip msi2imds_barrier\ndelete table ip msi2imds_barrier\n"
            "add table ip6 msi2imds_barrier\ndelete table ip6 msi2imds_barrier\n"
            "table ip msi2imds_barrier {\n\tchain users {\n"
            "\t\tmeta skuid 0 return\n\t\tmeta skuid 1000 return\n\t\treject with tcp reset\n\t}\n"
            "\tchain output {\n\t\ttype filter hook output priority 0;\n"
            "\t\tip daddr 169.254.169.254 tcp dport 80 tcp flags & (fin|syn|rst|ack) == syn jump users\n"
            "\t\tip daddr 127.0.0.1 tcp dport 3080 tcp flags & (fin|syn|rst|ack) == syn jump users\n"
            "\t}\n\tchain owner_0123abcd {\n\t}\n}\n");
}

TEST(BarrierTextTest, NftClosesAnAddressOfIpv6) {
  BarrierPlan plan = barrier_plan();
  plan.closed = {at("fd00::1", 8080)};
  const std::string text = nft_barrier_text(plan, "0123abcd");
  EXPECT_NE(text.find("\ntable ip6 msi2imds_barrier {"), std::string::npos) << text;
  EXPECT_NE(text.find("ip6 daddr fd00::1 tcp dport 8080 "), std::string::npos) << text;
}

TEST(BarrierTextTest, IptablesReplacesOurJumpsAndLeavesOtherRules) {
  const std::vector<std::string> ours = our_barrier_lines(
      "-P OUTPUT ACCEPT\n-N MSI2IMDS_BARRIER\n-N MSI2IMDS_BARRIER_89abcdef\n-A OUTPUT -j DOCKER\n"
      "-A OUTPUT -d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j MSI2IMDS_BARRIER\n");
  EXPECT_EQ(iptables_barrier_text(barrier_plan(), "0123abcd", ours),
            "*filter\n-F MSI2IMDS_BARRIER_89abcdef\n-X MSI2IMDS_BARRIER_89abcdef\n"
            ":MSI2IMDS_BARRIER_0123abcd - [0:0]\n:MSI2IMDS_BARRIER - [0:0]\n"
            "-A MSI2IMDS_BARRIER -m owner --uid-owner 0 -j RETURN\n"
            "-A MSI2IMDS_BARRIER -m owner --uid-owner 1000 -j RETURN\n"
            "-A MSI2IMDS_BARRIER -p tcp -j REJECT --reject-with tcp-reset\n"
            "-D OUTPUT -d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j MSI2IMDS_BARRIER\n"
            "-I OUTPUT 1 -d 169.254.169.254 -p tcp -m tcp --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -j "
            "MSI2IMDS_BARRIER\nCOMMIT\n");
  EXPECT_EQ(iptables_barrier_removal_text(ours),
            "*filter\n-F MSI2IMDS_BARRIER_89abcdef\n-X MSI2IMDS_BARRIER_89abcdef\n"
            "-D OUTPUT -d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j MSI2IMDS_BARRIER\n"
            "-F MSI2IMDS_BARRIER\n-X MSI2IMDS_BARRIER\nCOMMIT\n");
  EXPECT_EQ(iptables_barrier_removal_text({}), "");
  EXPECT_TRUE(is_barrier_of("89abcdef", ours));
  EXPECT_FALSE(is_barrier_of("0123abcd", ours));
}

// Of an iptables that is too old for -S; the counters change.
TEST(BarrierTextTest, IptablesReadsWhatIptablesSavePrints) {
  const std::vector<std::string> ours = our_barrier_lines(
      "*filter\n:OUTPUT ACCEPT [3:180]\n:MSI2IMDS_BARRIER - [7:420]\n:MSI2IMDS_BARRIER_89abcdef - [0:0]\n"
      "-A OUTPUT -d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j MSI2IMDS_BARRIER\nCOMMIT\n");
  EXPECT_EQ(ours, (std::vector<std::string>{
                      "-N MSI2IMDS_BARRIER", "-N MSI2IMDS_BARRIER_89abcdef",
                      "-A OUTPUT -d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j MSI2IMDS_BARRIER"}));
  EXPECT_TRUE(is_barrier_of("89abcdef", ours));
}

class RulesBarrierTest : public testing::Test {
 protected:
  [[nodiscard]] std::string raise(Barrier& barrier) const {
    const auto raised = run_to_end(barrier.raise(plan_));
    return raised ? "" : raised.error().message();
  }
  [[nodiscard]] static std::string check(Barrier& barrier) {
    const auto checked = run_to_end(barrier.check());
    return checked ? "" : checked.error().message();
  }

  BarrierPlan plan_ = barrier_plan();
  std::shared_ptr<FakeCommandRunner> host_ = std::make_shared<FakeCommandRunner>();
  RulesBarrier nft_{std::make_unique<NftBarrier>(host_)};
  RulesBarrier iptables_{std::make_unique<IptablesBarrier>(host_, std::vector<std::string>{""})};
};

TEST_F(RulesBarrierTest, IsComparedWithWhatNftShowedInItsOwnWords) {
  host_->succeed(kPutNft);
  host_->succeed(kListNft, "spelt in some way");
  ASSERT_EQ(raise(nft_), "");
  EXPECT_EQ(check(nft_), "");
  host_->succeed(kListNft, "spelt in another way");
  (void)run_to_end(nft_.lower());
}

TEST_F(RulesBarrierTest, NoticesThatNftShowsSomethingElseThanBefore) {
  host_->succeed(kPutNft);
  host_->succeed(kListNft, "ours");
  host_->succeed(kListNft, "ours and theirs");
  ASSERT_EQ(raise(nft_), "");
  EXPECT_EQ(check(nft_), "check table ip msi2imds_barrier (somebody has changed it): not in force");
  (void)run_to_end(nft_.lower());
}

TEST_F(RulesBarrierTest, NoticesThatTheChainIsGone) {
  host_->succeed("iptables --version", "iptables v1.8.9 (nf_tables)");
  host_->succeed(kListFilter, "-P OUTPUT ACCEPT\n");
  host_->succeed(kListFilter, "-N MSI2IMDS_BARRIER\n");
  host_->succeed(kListFilter, "-P OUTPUT ACCEPT\n");
  host_->succeed(kRestoreFilter);
  ASSERT_EQ(raise(iptables_), "");
  EXPECT_EQ(check(iptables_), "check chain MSI2IMDS_BARRIER of IPv4 (somebody has changed it): not in force");
  (void)run_to_end(iptables_.lower());
}

TEST_F(RulesBarrierTest, SaysThatToolsAreNotInstalled) {
  EXPECT_EQ(raise(nft_), "run nft: it is not installed");
  EXPECT_EQ(raise(iptables_), "run iptables: it is not installed");
}

TEST_F(RulesBarrierTest, CannotChooseCgroups) {
  plan_.cgroups = {"/a"};
  EXPECT_NE(raise(nft_).find("redirect.cgroups"), std::string::npos);
  EXPECT_TRUE(host_->calls.empty());
}

TEST_F(RulesBarrierTest, FindsWhatAnEarlierProcessHasLeft) {
  host_->succeed("nft list tables", "table ip msi2imds\ntable ip msi2imds_barrier\n");
  EXPECT_EQ(*run_to_end(nft_.find_leftovers()),
            std::vector<std::string>{"nftables: table ip msi2imds_barrier"});
  EXPECT_TRUE(run_to_end(iptables_.find_leftovers())->empty()) << "there is no iptables";
}

}  // namespace
}  // namespace msi2imds::redirect
