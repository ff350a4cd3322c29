// SPDX-License-Identifier: MIT
#include "doctor/notrack.hpp"

#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

bool untracks(std::string_view rule) {
  return untracks_loopback(rule, {50342, 342});
}

TEST(UntracksLoopbackTest, RulesForTheLoopbackDo) {
  for (const char* rule : {
           "\t\tiif \"lo\" notrack",
           "\t\toifname { \"lo\", \"eth0\" } counter packets 0 bytes 0 notrack",
           "notrack",
           "ip daddr 127.0.0.0/8 notrack",
           "oif \"lo\" tcp dport { 80, 50342 } notrack",
           "-A OUTPUT -o lo -j CT --notrack",
           "-A OUTPUT -o lo -j NOTRACK",
           "-A PREROUTING -p tcp -m tcp --dport 342 -j NOTRACK",
       }) {
    EXPECT_TRUE(untracks(rule)) << rule;
  }
}

TEST(UntracksLoopbackTest, OtherRulesDoNot) {
  for (const char* rule : {
           "iif \"eth0\" notrack",
           "iif \"lo\" accept",
           "udp dport 53 notrack",
           "-A OUTPUT -o lo -p udp -j NOTRACK",
           "oif \"lo\" tcp dport 80 notrack",
           "-A PREROUTING -i eth0 -j CT --notrack",
           "-P OUTPUT ACCEPT",
       }) {
    EXPECT_FALSE(untracks(rule)) << rule;
  }
}

class NotrackTest : public FakeMachine {};

TEST_F(NotrackTest, WithoutToolsThereIsNothingToSay) {
  EXPECT_EQ(check_notrack(host(), "nftables"), Findings());
}

TEST_F(NotrackTest, WarnsOnlyWhereTheBackendMinds) {
  commands.outputs["nft"] = "table inet x {\n\tchain c {\n\t\toif \"lo\" notrack\n\t}\n}\n";
  EXPECT_EQ(find(check_notrack(host(), "nftables"), "(oif \"lo\" notrack)").level, Level::warning);
  EXPECT_EQ(find(check_notrack(host(), "iptables"), "(oif \"lo\" notrack)").level, Level::warning);
  EXPECT_EQ(find(check_notrack(host(), ""), "(oif \"lo\" notrack)").level, Level::warning);
  EXPECT_EQ(find(check_notrack(host(), "sk_lookup"), "(oif \"lo\" notrack)").level, Level::ok);
}

TEST_F(NotrackTest, AsksIptablesWhereItHasARawTable) {
  commands.outputs["iptables"] = "-A OUTPUT -o lo -j CT --notrack\n";
  EXPECT_EQ(check_notrack(host(), "iptables"), Findings());
  write("proc/net/ip_tables_names", "nat\nraw\n");
  EXPECT_EQ(find(check_notrack(host(), "iptables"), "-j CT --notrack").level, Level::warning);
}

// iptables makes the table by looking at it.
TEST_F(NotrackTest, AsksIptablesForNoTableThatIsNotThere) {
  write("proc/net/ip_tables_names", "nat\n");
  (void)check_notrack(host(), "iptables");
  EXPECT_EQ(commands.calls, std::vector<std::string>{"nft ruleset"});
}

}  // namespace
}  // namespace msi2imds::doctor
