// SPDX-License-Identifier: MIT
#include "doctor/firewall.hpp"

#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

class FirewallTest : public FakeMachine {};

TEST_F(FirewallTest, WithoutToolsThereIsNothingToSay) {
  EXPECT_EQ(check_firewall(host(), "nftables"), Findings());
}

TEST_F(FirewallTest, WarnsOnlyWhereTheBackendMinds) {
  commands.outputs["nft"] = "table inet x {\n\tchain c {\n\t\toif \"lo\" notrack\n\t}\n}\n";
  EXPECT_EQ(find(check_firewall(host(), "nftables"), "(oif \"lo\" notrack)").level, Level::warning);
  EXPECT_EQ(find(check_firewall(host(), "iptables"), "(oif \"lo\" notrack)").level, Level::warning);
  EXPECT_EQ(find(check_firewall(host(), ""), "(oif \"lo\" notrack)").level, Level::warning);
  EXPECT_EQ(find(check_firewall(host(), "sk_lookup"), "(oif \"lo\" notrack)").level, Level::ok);
}

TEST_F(FirewallTest, AsksIptablesWhereItHasARawTable) {
  commands.outputs["iptables"] = "-A OUTPUT -o lo -j CT --notrack\n";
  EXPECT_EQ(check_firewall(host(), "iptables"), Findings());
  write("proc/net/ip_tables_names", "nat\nraw\n");
  EXPECT_EQ(find(check_firewall(host(), "iptables"), "-j CT --notrack").level, Level::warning);
}

// iptables makes the table by looking at it.
TEST_F(FirewallTest, AsksIptablesForNoTableThatIsNotThere) {
  write("proc/net/ip_tables_names", "nat\n");
  (void)check_firewall(host(), "iptables");
  // In the nat table, for rules of ours and for those that lead elsewhere.
  EXPECT_EQ(std::ranges::count(commands.calls, "iptables -S"), 2);
  write("proc/net/ip_tables_names", "");
  commands.calls.clear();
  (void)check_firewall(host(), "iptables");
  EXPECT_EQ(std::ranges::count(commands.calls, "iptables -S"), 0);
}

constexpr const char* kFilter =
    "table inet x {\n\tchain c {\n\t\ttype filter hook output priority filter; policy accept;\n"
    "\t\ttcp dport 50342 meta skuid != 1000 reject\n\t}\n}\n";

TEST_F(FirewallTest, SaysWithWhichBackendsAFilterBinds) {
  commands.outputs["nft"] = kFilter;
  for (const char* backend : {"nftables", "iptables", "cgroup_connect", ""}) {
    const Finding found =
        find(check_firewall(host(), backend), "(tcp dport 50342 meta skuid != 1000 reject)");
    EXPECT_EQ(found.level, Level::warning) << backend;
    EXPECT_NE(found.advice.find("port 342"), std::string::npos);
  }
  for (const char* backend : {"sk_lookup", "listen"}) {
    EXPECT_EQ(find(check_firewall(host(), backend), "(tcp dport 50342").level, Level::ok) << backend;
  }
}

TEST_F(FirewallTest, NamesARuleThatLeadsALegacyPortElsewhere) {
  commands.outputs["nft"] =
      "table ip x {\n\tchain c {\n\t\ttype nat hook output priority -150;\n\t\ttcp dport 50342 redirect to "
      ":9\n\t}\n}\n";
  EXPECT_EQ(find(check_firewall(host(), "sk_lookup"), "(tcp dport 50342 redirect to :9)").level,
            Level::warning);
}

// In the tests' own network namespace, nobody listens on that port.
TEST_F(FirewallTest, NamesOurRulesThatLeadToNobody) {
  constexpr const char* kText = "and nobody listens on port 1, where they lead";
  config.redirect.listen_port = 1;
  commands.outputs["nft"] = "table ip msi2imds {\n\tchain output {\n\t}\n}\n";
  EXPECT_EQ(find(check_firewall(host(), "nftables"), kText).level, Level::error);
  commands.outputs["nft"] = "table ip6 nat {\n\tchain MSI2IMDS {\n\t}\n}\n";
  EXPECT_EQ(find(check_firewall(host(), "nftables"), kText).level, Level::error);
  commands.outputs["nft"] = "table ip msi2imds_closing {\n}\ntable inet msi2imds_nat_12345678 {\n}\n";
  EXPECT_EQ(check_firewall(host(), "nftables"), Findings());
  commands.outputs["ip6tables"] = "-P OUTPUT ACCEPT\n-N MSI2IMDS\n";
  write("proc/net/ip6_tables_names", "nat\n");
  EXPECT_NE(find(check_firewall(host(), "nftables"), kText).text.find("ip6tables, chain MSI2IMDS"),
            std::string::npos);
}

TEST_F(FirewallTest, NamesFilesInWhichOurRulesWereSaved) {
  write("etc/iptables/rules.v4", "*nat\n:MSI2IMDS - [0:0]\nCOMMIT\n");
  EXPECT_EQ(find(check_firewall(host(), "sk_lookup"), "/iptables/rules.v4 holds rules").level,
            Level::warning);
}

}  // namespace
}  // namespace msi2imds::doctor
