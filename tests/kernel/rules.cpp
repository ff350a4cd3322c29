// SPDX-License-Identifier: MIT
#include "kernel/rules.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "base/command.hpp"
#include "base/run_to_end.hpp"

namespace msi2imds::kernel {
namespace {

const char* const kBusyNft = R"(
table ip others {
  set peers { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 }
  }
  chain redirects {
    type nat hook output priority -100;
    ip daddr 127.0.0.1 tcp dport 8080 redirect to :80
  }
  chain sources {
    type nat hook postrouting priority 100;
    ip saddr 192.0.2.0/24 masquerade
  }
}
table inet firewall {
  chain input {
    type filter hook input priority 0;
    ct state established,related accept
    ip saddr @dropped drop
  }
  set dropped { type ipv4_addr; elements = { 192.0.2.9 }
  }
}
)";

const char* const kBusyIptables = R"(*nat
:DOCKER - [0:0]
-A OUTPUT -p tcp -m tcp --dport 8081 -j REDIRECT --to-ports 81
-A OUTPUT -p tcp -m tcp --dport 8082 -j DOCKER
-A DOCKER -p tcp -m tcp --dport 8082 -j REDIRECT --to-ports 82
COMMIT
*filter
:LIMITED - [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 9 -j LIMITED
-A LIMITED -j DROP
COMMIT
)";

CommandResult run(const std::string& tool, const std::vector<std::string>& arguments,
                  const std::string& input) {
  auto result = run_to_end(SystemCommandRunner().run(tool, arguments, input));
  EXPECT_TRUE(result) << result.error().message();
  return result ? *result : CommandResult{.exit_status = -1, .output = {}, .error = {}};
}

std::string without(const std::string& text, const std::string& pattern) {
  return std::regex_replace(text, std::regex(pattern), "");
}

// Only what holds something: "*nat", the policies and "COMMIT" are there once the tool was used.
std::string rules_of_iptables(const std::string& tool) {
  std::istringstream lines(run_tool(tool, {}));
  std::string rules;
  std::string table;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("*")) {
      table = line;
    } else if (line.starts_with("-A") || (line.starts_with(":") && line.find(" - ") != std::string::npos)) {
      for (const std::string& part : {tool, table, line.substr(0, line.find(" ["))}) {
        rules += part + ' ';
      }
      rules += '\n';
    }
  }
  return rules;
}

// Whether the old iptables has any table here.
bool was_used(const char* names) {
  std::ifstream file(names);
  std::string name;
  return static_cast<bool>(file >> name);
}

}  // namespace

std::string run_tool(const std::string& tool, const std::vector<std::string>& arguments,
                     const std::string& input) {
  const auto result = run(tool, arguments, input);
  EXPECT_EQ(result.exit_status, 0) << tool << ": " << result.error;
  return result.output;
}

bool try_tool(const std::string& tool, const std::vector<std::string>& arguments) {
  return run(tool, arguments, {}).exit_status == 0;
}

std::string all_rules() {
  std::string rules = run_tool("nft", {"-s", "list", "ruleset"});
  rules = without(rules, "#[^\n]*\n");
  // Goes with its process.
  rules = without(rules, "table inet msi2imds_nat_[0-9a-f]{8} \\{[^\n]*\n([^}][^\n]*\n|\n)*\\}\n");
  // iptables-nft makes its table for a look at it, and leaves it empty.
  rules = without(
      rules,
      "table ip6? (nat|filter) \\{\n(\tchain [A-Z]+ \\{\n\t\ttype (nat|filter) [^\n]*\n\t\\}\n\n?)*\\}\n");
  rules = without(rules, "\n(?=\n)");
  // Of the tables that iptables has in nftables, nft cannot show every detail; where rules lead, only in the
  // first.
  rules = std::regex_replace(rules, std::regex("(\\tcounter|[0-9] counter) redirect to :[0-9]+"), "$1 ");
  if (rules.find("table ip") != std::string::npos) {
    rules += rules_of_iptables("iptables-nft-save") + rules_of_iptables("ip6tables-nft-save");
  }
  if (was_used("/proc/self/net/ip_tables_names")) {
    rules += rules_of_iptables("iptables-legacy-save");
  }
  if (was_used("/proc/self/net/ip6_tables_names")) {
    rules += rules_of_iptables("ip6tables-legacy-save");
  }
  return std::regex_replace(
      rules, std::regex("(owner|MSI2IMDS|MSI2IMDS_CLOSING|MSI2IMDS_BARRIER)_[0-9a-f]{8}"), "$1_of_somebody");
}

std::string foreign_rules() {
  std::string rules = all_rules();
  rules = without(rules, "table ip6? msi2imds[a-z_]* \\{\n([^}][^\n]*\n|\n)*\\}\n");
  rules = without(rules, "\tchain MSI2IMDS[A-Za-z_]* \\{\n(\t\t[^\n]*\n)*\t\\}\n");
  rules = without(rules, "[^\n]*MSI2IMDS[^\n]*\n");
  return without(without(rules, "\n(?=\n)"), "\n(?=\\})");
}

BusyRules::BusyRules() {
  run_tool("nft", {"-f", "/dev/stdin"}, kBusyNft);
  for (const char* tool : {"iptables-nft-restore", "iptables-legacy-restore", "ip6tables-nft-restore",
                           "ip6tables-legacy-restore"}) {
    run_tool(tool, {"--noflush", "-w", "5"}, kBusyIptables);
  }
}

BusyRules::~BusyRules() {
  remove_all_rules();
}

void remove_all_rules() {
  run_tool("nft", {"flush", "ruleset"});
  for (const char* tool : {"iptables-legacy", "ip6tables-legacy"}) {
    for (const char* table : {"nat", "filter"}) {
      run_tool(tool, {"-w", "5", "-t", table, "-F"});
      run_tool(tool, {"-w", "5", "-t", table, "-X"});
    }
  }
}

}  // namespace msi2imds::kernel
