// SPDX-License-Identifier: MIT
#include "redirect/nftables.hpp"

#include <gtest/gtest.h>

#include "base/run_to_end.hpp"
#include "redirect/errors.hpp"
#include "unit/redirect/fake_command_runner.hpp"

namespace msi2imds::redirect {
namespace {

const Plan kNftPlan = {.legacy_ports = {50342}, .listen_port = 342};
const std::string kRunNft = "nft -f /dev/stdin";

class NftablesRedirectorTest : public testing::Test {
 protected:
  // Why it cannot be used.
  std::string refusal() {
    const auto probed = run_to_end(redirector_.probe(kNftPlan));
    EXPECT_FALSE(probed);
    return probed ? "" : probed.error().message();
  }

  std::shared_ptr<FakeCommandRunner> host_ = std::make_shared<FakeCommandRunner>();
  NftablesRedirector redirector_{host_};
};

TEST_F(NftablesRedirectorTest, SaysThatItIsNotInstalled) {
  EXPECT_EQ(refusal(), "run nft: it is not installed");
}

TEST_F(NftablesRedirectorTest, SaysThatItIsNotPermitted) {
  host_->fail(kRunNft, 1, "/dev/stdin:1:1-22: Error: Operation not permitted\n");
  EXPECT_EQ(
      refusal(),
      "run nft (\"/dev/stdin:1:1-22: Error: Operation not permitted\"): not permitted (needs CAP_NET_ADMIN)");
}

TEST_F(NftablesRedirectorTest, SaysThatTheKernelHasNoNat) {
  host_->fail(kRunNft, 1, "Error: Could not process rule: No such file or directory\ntable ip x\n^\n");
  EXPECT_EQ(
      refusal(),
      "run nft (\"Error: Could not process rule: No such file or directory\"): the kernel has no such NAT");
}

TEST_F(NftablesRedirectorTest, SaysThatSomebodyElseHasTheHook) {
  host_->fail(kRunNft, 1, "Error: Could not process rule: Device or resource busy\n");
  EXPECT_TRUE(refusal().ends_with("somebody else does"));
}

TEST_F(NftablesRedirectorTest, NoticesARuleWithoutEffectAndRemovesIt) {
  host_->succeed(kRunNft);  // and nothing is redirected
  EXPECT_EQ(refusal(), "try the rule: the rule was accepted, but connections do not follow it");
  EXPECT_EQ(host_->calls.back().input, "add table ip msi2imds_probe\ndelete table ip msi2imds_probe\n");
}

TEST_F(NftablesRedirectorTest, CannotChooseCallers) {
  const auto probed = run_to_end(redirector_.probe({.legacy_ports = {50342}, .cgroups = {"/a"}}));
  ASSERT_FALSE(probed);
  EXPECT_NE(probed.error().message().find("redirect.cgroups"), std::string::npos);
}

TEST_F(NftablesRedirectorTest, RemovesLeftoversAndSaysWhatTheyWere) {
  host_->succeed("nft list tables", "table ip filter\ntable ip msi2imds\ntable ip6 msi2imds\n");
  host_->succeed(kRunNft);
  const auto removed = run_to_end(redirector_.remove_leftovers(kNftPlan, Removal::at_once));
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_EQ(*removed,
            (std::vector<std::string>{"nftables: table ip msi2imds", "nftables: table ip6 msi2imds"}));
  EXPECT_NE(host_->calls.back().input.find("delete table ip6 msi2imds\n"), std::string::npos);
}

TEST_F(NftablesRedirectorTest, FindsNoLeftovers) {
  EXPECT_TRUE(run_to_end(redirector_.remove_leftovers(kNftPlan, Removal::at_once))->empty())
      << "nft is not installed";
  host_->succeed("nft list tables", "table ip filter\n");
  EXPECT_TRUE(run_to_end(redirector_.remove_leftovers(kNftPlan, Removal::at_once))->empty());
  EXPECT_EQ(host_->count(kRunNft), 0U);
}

TEST_F(NftablesRedirectorTest, TellsWhenLeftoversCannotBeFound) {
  host_->fail("nft list tables", 1, "Operation not permitted (you must be root)\n");
  const auto removed = run_to_end(redirector_.remove_leftovers(kNftPlan, Removal::at_once));
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code(), Errc::not_permitted);
}

}  // namespace
}  // namespace msi2imds::redirect
