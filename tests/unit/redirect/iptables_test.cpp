// SPDX-License-Identifier: MIT
#include "redirect/iptables.hpp"

#include <gtest/gtest.h>

#include "base/run_to_end.hpp"
#include "unit/redirect/fake_command_runner.hpp"

namespace msi2imds::redirect {
namespace {

const Plan kPlan = {.legacy_ports = {50342}, .listen_port = 342};
const std::vector<Listener> kListeners = {{.address = SocketAddress::ipv4_loopback(342), .fd = -1},
                                          {.address = SocketAddress::ipv6_loopback(342), .fd = -1}};

asio::awaitable<void> no_wait(std::chrono::milliseconds /*time*/) {
  co_return;
}

class IptablesRedirectorTest : public testing::Test {
 protected:
  void offer(const std::string& family, const std::string& flavour, const std::string& listing = {}) {
    host_->succeed(family + flavour + "-restore --noflush");
    host_->succeed(family + flavour + " -t nat -S", listing);
    host_->succeed(family + flavour + " --version", "v1.8.9 (nf_tables)");
  }

  std::shared_ptr<FakeCommandRunner> host_ = std::make_shared<FakeCommandRunner>();
  IptablesRedirector redirector_{{.runner = host_, .wait = no_wait}};
};

TEST_F(IptablesRedirectorTest, SaysThatItIsNotInstalled) {
  const auto probed = run_to_end(redirector_.probe(kPlan));
  ASSERT_FALSE(probed);
  EXPECT_EQ(probed.error().message(), "run iptables-restore: it is not installed");
}

TEST_F(IptablesRedirectorTest, SaysThatItIsNotPermitted) {
  host_->fail("iptables-restore --noflush", 3,
              "iptables-restore v1.8.9 (legacy): iptables-restore: unable to initialize table 'nat'\n\n"
              "Permission denied (you must be root)\n");
  const auto probed = run_to_end(redirector_.probe(kPlan));
  ASSERT_FALSE(probed);
  EXPECT_NE(probed.error().message().find("not permitted (needs CAP_NET_ADMIN)"), std::string::npos)
      << probed.error().message();
}

TEST_F(IptablesRedirectorTest, SaysThatTheKernelHasNoNat) {
  host_->fail("iptables-restore --noflush", 3,
              "iptables v1.4.21: can't initialize iptables table `nat': Table does not exist (do you need to "
              "insmod?)\n");
  const auto probed = run_to_end(redirector_.probe(kPlan));
  ASSERT_FALSE(probed);
  EXPECT_TRUE(probed.error().message().ends_with(": the kernel has no such NAT")) << probed.error().message();
}

TEST_F(IptablesRedirectorTest, CannotChooseCallers) {
  const auto probed = run_to_end(redirector_.probe({.legacy_ports = {50342}, .cgroups = {"/a"}}));
  ASSERT_FALSE(probed);
  EXPECT_NE(probed.error().message().find("redirect.cgroups"), std::string::npos);
}

TEST_F(IptablesRedirectorTest, TakesTheFirstFlavourThatTakesARule) {
  host_->fail("iptables-restore --noflush", 1, "iptables-restore: line 3 failed\n");
  offer("iptables", "-nft");
  EXPECT_TRUE(run_to_end(redirector_.probe(kPlan)));
  EXPECT_EQ(host_->calls.back().command, "iptables-nft-restore --noflush");
  EXPECT_EQ(host_->calls.back().input, "*nat\n-F MSI2IMDS_PROBE\n-X MSI2IMDS_PROBE\nCOMMIT\n");
}

// Whoever starts does not wait for it, and another flavour is not what this host has chosen.
TEST_F(IptablesRedirectorTest, DoesNotWaitForTheLockInAProbe) {
  host_->fail("iptables-restore --noflush", 4, "Another app is currently holding the xtables lock.\n");
  offer("iptables", "-nft");
  const auto probed = run_to_end(redirector_.probe(kPlan));
  ASSERT_FALSE(probed);
  EXPECT_TRUE(probed.error().message().ends_with(": another tool holds the lock of the rules"))
      << probed.error().message();
  EXPECT_EQ(host_->count("iptables-restore --noflush"), 6U) << "within two seconds";
  EXPECT_EQ(host_->count("iptables-nft-restore --noflush"), 0U);
}

TEST_F(IptablesRedirectorTest, LooksForLeftoversForAsLongAsThePlanSays) {
  const auto locked = std::make_shared<FakeCommandRunner>();
  locked->succeed("iptables --version", "(nf_tables)");
  locked->fail("iptables -t nat -S", 4, "Another app is currently holding the xtables lock.\n");
  const IptablesRedirector redirector({.runner = locked, .wait = no_wait});
  Plan plan = kPlan;
  plan.patience = std::chrono::milliseconds(0);
  EXPECT_FALSE(run_to_end(redirector.remove_leftovers(plan, Removal::at_once)));
  EXPECT_EQ(locked->count("iptables -t nat -S"), 6U) << "one attempt";
}

TEST_F(IptablesRedirectorTest, DoesWithoutIpv6) {
  offer("iptables", "");
  const auto redirection = run_to_end(redirector_.install(kPlan, kListeners));
  ASSERT_TRUE(redirection) << redirection.error().message();
  EXPECT_FALSE((*redirection)->covers_ipv6());
  EXPECT_EQ((*redirection)->remarks().back(),
            "connections to ::1 are not covered: run ip6tables: it is not installed");
}

TEST_F(IptablesRedirectorTest, UsesTheSameFlavourForIpv6) {
  host_->fail("iptables-restore --noflush", 1, "iptables-restore: line 3 failed\n");
  offer("ip6tables", "");
  offer("iptables", "-nft");
  offer("ip6tables", "-nft");
  const auto redirection = run_to_end(redirector_.install(kPlan, kListeners));
  ASSERT_TRUE(redirection) << redirection.error().message();
  EXPECT_TRUE((*redirection)->covers_ipv6());
  EXPECT_EQ(host_->count("ip6tables-nft-restore --noflush"), 1U);
  EXPECT_EQ(host_->count("ip6tables-restore --noflush"), 0U);
}

TEST_F(IptablesRedirectorTest, RemovesWhatAnEarlierProcessPutWithTheOtherKind) {
  const std::string ours = "-N MSI2IMDS\n-A OUTPUT -j MSI2IMDS\n";
  offer("iptables", "", ours);
  host_->succeed("iptables --version", "iptables v1.8.9 (legacy)");
  offer("iptables", "-nft", ours);
  const auto redirection = run_to_end(redirector_.install(kPlan, kListeners));
  ASSERT_TRUE(redirection) << redirection.error().message();
  EXPECT_EQ(host_->count("iptables-nft-restore --noflush"), 1U) << "closed, in one transaction";
}

TEST_F(IptablesRedirectorTest, LeavesItsOwnRulesUnderWhateverName) {
  offer("iptables", "");
  offer("iptables", "-nft", "-N MSI2IMDS\n-A OUTPUT -j MSI2IMDS\n");  // the same kind
  const auto redirection = run_to_end(redirector_.install(kPlan, kListeners));
  ASSERT_TRUE(redirection) << redirection.error().message();
  EXPECT_EQ(host_->count("iptables-nft-restore --noflush"), 0U);
}

TEST_F(IptablesRedirectorTest, TellsOnceWhatTwoNamesOfAProgramShow) {
  for (const char* flavour : {"", "-nft"}) {
    offer("iptables", flavour, "-N MSI2IMDS\n");
  }
  EXPECT_EQ(run_to_end(redirector_.remove_leftovers(kPlan, Removal::at_once))->size(), 1U);
}

TEST_F(IptablesRedirectorTest, LooksForNothingWhereNoTableIs) {
  offer("iptables", "-nft", "-N MSI2IMDS\n-A OUTPUT -j MSI2IMDS\n");
  host_->succeed("nft list tables", "table ip filter\n");
  EXPECT_TRUE(run_to_end(redirector_.remove_leftovers(kPlan, Removal::gently))->empty());
  EXPECT_EQ(host_->count("iptables-nft -t nat -S"), 0U) << "which may make one";
}

TEST_F(IptablesRedirectorTest, RemovesLeftoversAndSaysWhatTheyWere) {
  offer("iptables", "-nft", "-N MSI2IMDS\n-A OUTPUT -j MSI2IMDS\n");
  offer("ip6tables", "-nft");
  const auto removed = run_to_end(redirector_.remove_leftovers(kPlan, Removal::at_once));
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_EQ(*removed, std::vector<std::string>{"iptables: chain MSI2IMDS of IPv4"});
  EXPECT_EQ(host_->count("ip6tables-nft-restore --noflush"), 0U);
}

TEST_F(IptablesRedirectorTest, HasNoLeftoversWhereItIsNotInstalled) {
  const auto removed = run_to_end(redirector_.remove_leftovers(kPlan, Removal::at_once));
  ASSERT_TRUE(removed);
  EXPECT_TRUE(removed->empty());
}

// A start looks for leftovers, and each program that it runs costs it 15 ms.
TEST_F(IptablesRedirectorTest, RunsNoIptablesWhereThereIsNoTable) {
  host_->succeed("nft list tables", "table inet filter\n");
  EXPECT_TRUE(run_to_end(redirector_.remove_leftovers(kPlan, Removal::at_once)));
  EXPECT_EQ(host_->calls.size(), host_->count("nft list tables"));
}

TEST_F(IptablesRedirectorTest, TellsWhenLeftoversStay) {
  offer("iptables", "", "-N MSI2IMDS\n");
  host_->fail("iptables -t nat -S", 1, "");
  auto failing = std::make_shared<FakeCommandRunner>();
  failing->succeed("iptables --version", "(nf_tables)");
  failing->fail("iptables -t nat -S", 4, "Permission denied (you must be root)\n");
  const IptablesRedirector redirector({.runner = failing, .wait = no_wait});
  EXPECT_FALSE(run_to_end(redirector.remove_leftovers(kPlan, Removal::at_once)));
}

}  // namespace
}  // namespace msi2imds::redirect
