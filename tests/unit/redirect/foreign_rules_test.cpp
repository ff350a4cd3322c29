// SPDX-License-Identifier: MIT
#include "redirect/foreign_rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/run_to_end.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::redirect {
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
           "oifname != \"lo\" notrack",
           "ip daddr 10.0.0.0/8 notrack",
       }) {
    EXPECT_FALSE(untracks(rule)) << rule;
  }
}

bool filters(std::string_view rule) {
  return filters_loopback(rule, {50342, 50343});
}

TEST(FiltersLoopbackTest, RulesThatRefuseALegacyPortDo) {
  for (const char* rule : {
           "tcp dport 50342 meta skuid != 1000 reject",
           "meta skuid 1000 tcp dport { 80, 50343 } counter packets 0 bytes 0 drop",
           "tcp dport 50000-51000 reject with tcp reset",
           "ip daddr 127.0.0.1 tcp dport 50342 jump guarded",
           "oif \"lo\" tcp dport 50342 drop",
           "iifname != \"eth0\" tcp dport 50342 drop",
           "fib daddr type local tcp dport 50342 drop",
           "-A OUTPUT -p tcp -m tcp --dport 50342 -m owner ! --uid-owner 1000 -j REJECT",
           "-A INPUT ! -i eth0 -p tcp -m multiport --dports 80,50000:51000 -j DROP",
           "-A OUTPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 50342 -j GUARDED",
       }) {
    EXPECT_TRUE(filters(rule)) << rule;
  }
}

TEST(FiltersLoopbackTest, OtherRulesDoNot) {
  for (const char* rule : {
           "tcp dport 80 drop",
           "tcp dport != 50342 drop",
           "tcp dport 50342 accept",
           "tcp dport 50342 accept comment \"do not drop\"",
           "tcp sport 50342 drop",
           "udp dport 50342 drop",
           "iifname \"eth0\" tcp dport 50342 drop",
           "iifname != \"lo\" tcp dport 50342 drop",
           "ip daddr 10.0.0.4 tcp dport 50342 drop",
           "meta skuid 50342 tcp dport 80 drop",
           "type filter hook input priority filter; policy drop;",
           "-A OUTPUT -p tcp -m tcp --dport 50342 -j ACCEPT",
           "-A INPUT ! -i lo -p tcp -m tcp --dport 50342 -j DROP",
           "-P INPUT DROP",
           "",
           "-j",
       }) {
    EXPECT_FALSE(filters(rule)) << rule;
  }
}

bool leads_elsewhere(std::string_view rule) {
  return leads_loopback_elsewhere(rule, {50342});
}

TEST(LeadsLoopbackElsewhereTest, RulesThatTranslateALegacyPortDo) {
  for (const char* rule : {
           "tcp dport 50342 redirect to :9",
           "ip daddr 127.0.0.1 tcp dport { 80, 50342 } counter packets 0 bytes 0 dnat to 10.0.0.4:80",
           "-A OUTPUT -o lo -p tcp -m tcp --dport 50342 -j REDIRECT --to-ports 9",
           "-A OUTPUT -p tcp -m multiport --dports 50000:51000 -j DNAT --to-destination 127.0.0.1:9",
           "meta l4proto tcp redirect to :9",
           "-A OUTPUT -d 127.0.0.1/32 -p tcp -j DNAT --to-destination 10.0.0.4",
           "redirect to :tcp dport map { 80 : 8080, 50342 : 9 }",
       }) {
    EXPECT_TRUE(leads_elsewhere(rule)) << rule;
    EXPECT_FALSE(filters(rule)) << rule;
  }
}

TEST(LeadsLoopbackElsewhereTest, OtherRulesDoNot) {
  for (const char* rule : {
           "tcp dport 8080 redirect to :50342",
           "-A OUTPUT -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 50342",
           "-A PREROUTING -i eth0 -p tcp -m tcp --dport 50342 -j DNAT --to-destination 10.0.0.4:80",
           "iifname \"eth0\" tcp dport 50342 redirect to :9",
           "udp dport 50342 redirect to :9",
           "tcp dport != 50342 redirect to :9",
           "-A OUTPUT -p tcp -m tcp ! --dport 50342 -j REDIRECT --to-ports 9",
           "tcp dport 50342 accept comment \"do not redirect\"",
           "tcp dport 50342 accept",
           "tcp dport 50342 drop",
           "meta l4proto udp redirect to :9",
           "ip daddr 10.0.0.4 dnat to 10.0.0.5",
           "tcp sport 80 redirect to :9",
           "redirect to :tcp dport map { 80 : 50342 }",
           "redirect to :tcp dport map @theirs",
           "redirect",
       }) {
    EXPECT_FALSE(leads_elsewhere(rule)) << rule;
  }
}

// Each prints what the test says.
class Tools final : public CommandRunner {
 public:
  asio::awaitable<Result<CommandResult>> run(std::string program, std::vector<std::string> arguments,
                                             std::string /*input*/) override {
    const auto found = outputs.find(program + (program == "nft" ? "" : " " + arguments[3]));
    if (found == outputs.end()) {
      co_return Error::from_errno(ENOENT, "run " + program);
    }
    co_return CommandResult{.exit_status = 0, .output = found->second, .error = {}};
  }
  std::map<std::string, std::string> outputs;
};

class ForeignRulesTest : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> rules() {
    return run_to_end(foreign_rules(tools_, directory_.path()));
  }
  support::TemporaryDirectory directory_;
  Tools tools_;
};

TEST_F(ForeignRulesTest, AreNeitherOursNorThoseOfNatThatFilterNorForwarding) {
  tools_.outputs["nft"] =
      "table ip msi2imds {\n\tchain untranslated {\n\t\ttype filter hook output priority 0; policy "
      "accept;\n\t\ttcp dport 50342 drop\n\t}\n}\n"
      "table inet others {\n\tchain a {\n\t\ttype nat hook output priority 0;\n\t\ttcp dport 50342 jump "
      "x\n\t}\n"
      "\tchain b {\n\t\ttype filter hook forward priority 0;\n\t\ttcp dport 50342 drop\n\t}\n"
      "\tchain c {\n\t\ttcp dport 50342 reject\n\t}\n}\n";
  const std::vector<std::string> found = rules();
  EXPECT_EQ(std::ranges::count_if(found, filters), 1);
  EXPECT_EQ(first_of(found, filters_loopback, {50342}), "tcp dport 50342 reject");
}

TEST_F(ForeignRulesTest, OfIptablesAreReadWhereThereIsATable) {
  tools_.outputs["ip6tables filter"] =
      "-N MSI2IMDS_BARRIER\n-A FORWARD -p tcp -m tcp --dport 50342 -j DROP\n"
      "-A OUTPUT -p tcp -m tcp --dport 50342 -j REJECT\n";
  EXPECT_TRUE(rules().empty());
  std::filesystem::create_directories(directory_.path() / "net");
  std::ofstream(directory_.path() / "net" / "ip6_tables_names") << "mangle\nfilter\n";
  EXPECT_EQ(rules(), std::vector<std::string>{"-A OUTPUT -p tcp -m tcp --dport 50342 -j REJECT"});
}

TEST_F(ForeignRulesTest, OfNatAreThoseThatTranslate) {
  tools_.outputs["nft"] =
      "table ip msi2imds {\n\tchain output {\n\t\ttype nat hook output priority -100;\n\t\ttcp dport 50342 "
      "redirect "
      "to :342\n\t}\n}\n"
      "table ip theirs {\n\tchain a {\n\t\ttype nat hook output priority -150;\n\t\ttcp dport 50342 jump "
      "b\n\t}\n"
      "\tchain b {\n\t\ttcp dport 50342 redirect to :9\n\t}\n}\n";
  EXPECT_EQ(rules(), std::vector<std::string>{"tcp dport 50342 redirect to :9"});
  tools_.outputs["nft"] =
      "table ip nat {\n\tchain OUTPUT {\n\t\ttype nat hook output priority -100;\n\t\tmeta l4proto tcp "
      "redirect to :9\n\t\tip daddr 10.96.0.1 jump KUBE-SEP\n\t}\n"
      "\tchain KUBE-SEP {\n\t\tmeta l4proto tcp dnat to 10.0.0.4:443\n\t}\n}\n";
  EXPECT_EQ(rules(), std::vector<std::string>{"meta l4proto tcp redirect to :9"});
  tools_.outputs["nft"] =
      "table ip msi2imds_closing {\n\tchain output {\n\t\ttype nat hook output priority -100;\n\t\ttcp dport "
      "50342 "
      "redirect to :342\n\t}\n}\n"
      "table ip nat {\n\tchain MSI2IMDS {\n\t\ttcp dport 50342 redirect to :342\n\t}\n"
      "\tchain OUTPUT {\n\t\ttype nat hook output priority -100;\n\t\tcounter jump MSI2IMDS\n\t}\n"
      "\tchain PREROUTING {\n\t\ttype nat hook prerouting priority dstnat;\n\t\ttcp dport 50342 dnat to "
      "10.0.0.4\n"
      "\t}\n}\n";
  EXPECT_TRUE(rules().empty()) << "ours, and what local connections do not meet";
  tools_.outputs.clear();
  tools_.outputs["iptables nat"] =
      "-P OUTPUT ACCEPT\n-A OUTPUT -j MSI2IMDS\n-A MSI2IMDS -p tcp -m tcp --dport 50342 -j REDIRECT "
      "--to-ports 342\n"
      "-A OUTPUT -p tcp -m tcp --dport 50342 -j THEIRS\n-A THEIRS -p tcp -m tcp --dport 50342 -j DNAT "
      "--to-destination :9\n-A KUBE-SEP -p tcp -j DNAT --to-destination 10.0.0.4:443\n";
  std::filesystem::create_directories(directory_.path() / "net");
  std::ofstream(directory_.path() / "net" / "ip_tables_names") << "nat\n";
  EXPECT_EQ(rules(),
            std::vector<std::string>{"-A THEIRS -p tcp -m tcp --dport 50342 -j DNAT --to-destination :9"});
}

}  // namespace
}  // namespace msi2imds::redirect
