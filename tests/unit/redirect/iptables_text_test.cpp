// SPDX-License-Identifier: MIT
#include "redirect/iptables_text.hpp"

#include <gtest/gtest.h>

#include "unit/redirect/golden.hpp"

namespace msi2imds::redirect {
namespace {

const std::vector<std::uint16_t> kPorts = {50342, 50343};
constexpr std::string_view kOwner = "0123abcd";

std::optional<std::string> missing_in(const IptablesNat& found) {
  return missing_in_iptables(kIpv4, kPorts, 342, kOwner, found);
}

TEST(IptablesTextTest, MakesAChain) {
  EXPECT_EQ(iptables_text(kIpv4, kPorts, 342, kOwner, {}), golden("chain_ipv4.iptables"));
  EXPECT_EQ(iptables_text(kIpv6, kPorts, 342, kOwner, {}), golden("chain_ipv6.iptables"));
}

TEST(IptablesTextTest, LeavesAJumpThatIsFirst) {
  const auto text = iptables_text(kIpv4, kPorts, 342, kOwner, read_iptables(golden("busy_nat.S")));
  EXPECT_EQ(text.find("OUTPUT"), std::string::npos) << text;
}

TEST(IptablesTextTest, PutsOneJumpInThePlaceOfSeveral) {
  const auto found =
      read_iptables("-N MSI2IMDS\n-A OUTPUT -j MSI2IMDS\n-A OUTPUT -j DOCKER\n-A OUTPUT -o lo -j MSI2IMDS\n");
  const auto text = iptables_text(kIpv4, {}, 342, kOwner, found);
  EXPECT_NE(
      text.find("-D OUTPUT -j MSI2IMDS\n-D OUTPUT -o lo -j MSI2IMDS\n-I OUTPUT 1 -j MSI2IMDS\nCOMMIT\n"),
      std::string::npos)
      << text;
}

TEST(IptablesTextTest, MovesAJumpToTheFront) {
  const auto text =
      iptables_text(kIpv4, {}, 342, kOwner, read_iptables("-A OUTPUT -j DOCKER\n-A OUTPUT -j MSI2IMDS\n"));
  EXPECT_NE(text.find("-D OUTPUT -j MSI2IMDS\n-I OUTPUT 1 -j MSI2IMDS\n"), std::string::npos) << text;
}

TEST(IptablesTextTest, ClosesAChain) {
  EXPECT_EQ(iptables_closing_text(kIpv4, kOwner, read_iptables(golden("busy_nat.S"))),
            golden("closing_ipv4.iptables"));
}

TEST(IptablesTextTest, RemovesWhatIsThereAndOnlyThat) {
  const auto found = read_iptables(
      "-N MSI2IMDS_PROBE\n-N MSI2IMDS\n-N MSI2IMDS_CLOSING\n-N MSI2IMDS_OTHER\n-A OUTPUT -j MSI2IMDS\n"
      "-N MSI2IMDS_89abcdef\n-N MSI2IMDS_CLOSING_89abcdef\n-N MSI2IMDS_89ABCDEF\n-N MSI2IMDS_BARRIER\n");
  EXPECT_EQ(iptables_removal_text(found), golden("removal.iptables"));
  EXPECT_EQ(iptables_finishing_text(found),
            "*nat\n-F MSI2IMDS_CLOSING_89abcdef\n-X MSI2IMDS_CLOSING_89abcdef\n"
            "-F MSI2IMDS_CLOSING\n-X MSI2IMDS_CLOSING\nCOMMIT\n");
  EXPECT_EQ(iptables_removal_text(read_iptables("-N DOCKER\n-A OUTPUT -j DOCKER\n")), "");
  EXPECT_EQ(iptables_finishing_text({}), "");
}

TEST(IptablesTextTest, TakesTheChainOfAnotherOwner) {
  const auto found = read_iptables("-N MSI2IMDS\n-N MSI2IMDS_89abcdef\n-A OUTPUT -j MSI2IMDS\n");
  const auto text = iptables_text(kIpv4, {}, 342, kOwner, found);
  EXPECT_TRUE(
      text.starts_with("*nat\n-F MSI2IMDS_89abcdef\n-X MSI2IMDS_89abcdef\n:MSI2IMDS_0123abcd - [0:0]\n"
                       ":MSI2IMDS - [0:0]\n"))
      << text;
}

TEST(IptablesTextTest, KnowsWhatIsWhose) {
  const auto found = read_iptables(
      "-N MSI2IMDS\n-N MSI2IMDS_0123abcd\n-N MSI2IMDS_CLOSING\n-N MSI2IMDS_CLOSING_89abcdef\n"
      "-N MSI2IMDS_PROBE\n-A OUTPUT -j MSI2IMDS\n");
  EXPECT_EQ(iptables_removal_text(owned_by("0123abcd", found)),
            "*nat\n-F MSI2IMDS_0123abcd\n-X MSI2IMDS_0123abcd\n-D OUTPUT -j MSI2IMDS\n"
            "-F MSI2IMDS\n-X MSI2IMDS\nCOMMIT\n");
  EXPECT_EQ(iptables_removal_text(owned_by("89abcdef", found)),
            "*nat\n-F MSI2IMDS_CLOSING_89abcdef\n-X MSI2IMDS_CLOSING_89abcdef\n"
            "-F MSI2IMDS_CLOSING\n-X MSI2IMDS_CLOSING\nCOMMIT\n");
  EXPECT_EQ(iptables_removal_text(owned_by("ffffffff", found)), "");
}

TEST(IptablesTextTest, TriesARuleWhereNobodyPasses) {
  EXPECT_EQ(iptables_probe_text(kIpv6), golden("probe_ipv6.iptables"));
  EXPECT_EQ(iptables_probe_removal_text(), "*nat\n-F MSI2IMDS_PROBE\n-X MSI2IMDS_PROBE\nCOMMIT\n");
}

TEST(IptablesTextTest, ReadsBothKindsOfListing) {
  for (const char* name : {"busy_nat.S", "busy_nat.save"}) {
    const IptablesNat found = read_iptables(golden(name));
    EXPECT_EQ(found.chains, std::vector<std::string>{"MSI2IMDS"}) << name;
    EXPECT_EQ(found.jumps, std::vector<std::string>{"-A OUTPUT -j MSI2IMDS"}) << name;
    EXPECT_TRUE(found.jump_is_first) << name;
    EXPECT_EQ(found.rules.size(), 4U) << name;
    EXPECT_EQ(missing_in(found), std::nullopt) << name;
  }
}

TEST(IptablesTextTest, NoticesWhatIsMissing) {
  const IptablesNat complete = read_iptables(golden("busy_nat.S"));
  IptablesNat found = complete;
  found.jumps.clear();
  EXPECT_EQ(missing_in(found), "nothing in OUTPUT leads to it");
  found.jumps = {"-A OUTPUT -j MSI2IMDS", "-A OUTPUT -j MSI2IMDS"};
  EXPECT_TRUE(missing_in(found));
  found.jumps = {"-A OUTPUT -o eth0 -j MSI2IMDS"};
  EXPECT_TRUE(missing_in(found));
  found = complete;
  found.rules.pop_back();
  EXPECT_EQ(missing_in(found),
            "the rule '-A MSI2IMDS -d 127.0.0.0/8 -p tcp -m tcp --dport 50343 -j REDIRECT --to-ports 342' is "
            "missing");
  found = complete;
  found.rules.insert(found.rules.begin(), "-A MSI2IMDS -j RETURN");
  EXPECT_EQ(missing_in(found), "it holds rules that are not ours");
  found = complete;
  found.marks = {"MSI2IMDS_89abcdef"};
  EXPECT_EQ(missing_in(found), "it is not marked as ours");
  found.marks = {"MSI2IMDS_0123abcd", "MSI2IMDS_89abcdef"};
  EXPECT_TRUE(missing_in(found));
  EXPECT_TRUE(missing_in(read_iptables("")));
}

TEST(IptablesTextTest, IsContentBehindSomebodyElsesRule) {
  IptablesNat found = read_iptables(golden("busy_nat.S"));
  found.jump_is_first = false;
  EXPECT_EQ(missing_in(found), std::nullopt);
}

}  // namespace
}  // namespace msi2imds::redirect
