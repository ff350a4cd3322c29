// SPDX-License-Identifier: MIT
#include "redirect/nft_text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <initializer_list>

#include "redirect/tool.hpp"

namespace msi2imds::redirect {
namespace {

constexpr std::string_view kRulesChain = "legacy_ports";
constexpr std::string_view kRulesHook = "type nat hook output priority";

// SYNs only: to the kernel, a connection that is older than our rules looks new, but does not begin with a
// SYN.
constexpr std::string_view kOnlyBeginnings = "tcp flags & (fin|syn|rst|ack) != syn return";

// Empty, but before Linux 4.18 answers are translated only where a chain of this hook exists.
constexpr std::string_view kRepliesChain = "replies";
constexpr std::string_view kRepliesHook = "type nat hook postrouting priority";

std::string rule_text(const NatFamily& family, std::string_view address, std::uint16_t port,
                      std::uint16_t listen_port) {
  return fmt::format("{} daddr {} tcp dport {} redirect to :{}", family.nft_name, address, port, listen_port);
}

std::vector<std::string> rule_texts(const NatFamily& family, const std::vector<std::uint16_t>& ports,
                                    std::uint16_t listen_port) {
  std::vector<std::string> rules = {std::string(kOnlyBeginnings),
                                    fmt::format("tcp sport {} return", listen_port)};
  for (const std::uint16_t port : ports) {
    rules.push_back(rule_text(family, family.loopback, port, listen_port));
  }
  return rules;
}

// Replaces a table of that name, whether or not there is one.
std::string replacement_text(const NatFamily& family, std::string_view table,
                             const std::vector<std::string>& rules) {
  std::string text = nft_removal_text(family, {table});
  text += fmt::format("table {} {} {{\n\tchain {} {{\n\t\t{} -100;\n", family.nft_name, table, kRulesChain,
                      kRulesHook);
  for (const std::string& rule : rules) {
    text += "\t\t" + rule + "\n";
  }
  text += fmt::format("\t}}\n\tchain {} {{\n\t\t{} 100;\n\t}}\n}}\n", kRepliesChain, kRepliesHook);
  return text;
}

}  // namespace

std::string nft_table_text(const NatFamily& family, std::string_view table,
                           const std::vector<std::uint16_t>& ports, std::uint16_t listen_port) {
  return replacement_text(family, table, rule_texts(family, ports, listen_port));
}

std::string nft_refill_text(const NatFamily& family, const std::vector<std::uint16_t>& ports,
                            std::uint16_t listen_port) {
  const std::string table = fmt::format("{} {}", family.nft_name, kNftTable);
  std::string text = fmt::format("add table {}\n", table);
  text += fmt::format("add chain {} {} {{ {} -100; }}\n", table, kRulesChain, kRulesHook);
  text += fmt::format("add chain {} {} {{ {} 100; }}\n", table, kRepliesChain, kRepliesHook);
  text += fmt::format("flush table {}\n", table);
  for (const std::string& rule : rule_texts(family, ports, listen_port)) {
    text += fmt::format("add rule {} {} {}\n", table, kRulesChain, rule);
  }
  return text;
}

std::string nft_closing_text(const NatFamily& family) {
  return replacement_text(family, kNftClosingTable, {rule_text(family, family.nowhere, 1, 1)}) +
         nft_removal_text(family, {kNftTable});
}

std::string nft_removal_text(const NatFamily& family, const std::vector<std::string_view>& tables) {
  std::string text;
  for (const std::string_view table : tables) {  // only what is there can be deleted
    text += fmt::format("add table {0} {1}\ndelete table {0} {1}\n", family.nft_name, table);
  }
  return text;
}

std::optional<std::string> missing_in_nft_table(const NatFamily& family,
                                                const std::vector<std::uint16_t>& ports,
                                                std::uint16_t listen_port, std::string_view listing) {
  const std::vector<std::string_view> lines = lines_of(listing);
  const auto chain = std::find(lines.begin(), lines.end(), fmt::format("chain {} {{", kRulesChain));
  if (chain == lines.end()) {
    return "its chain is missing";
  }
  if (std::any_of(lines.begin(), chain, [](std::string_view line) { return line.starts_with("flags"); })) {
    return "it is switched off";
  }
  if (chain + 1 == lines.end() || !(chain + 1)->starts_with(kRulesHook)) {
    return "its chain is not where connections pass";
  }
  std::vector<std::string> rules(chain + 2, std::find(chain, lines.end(), "}"));
  if (!rules.empty() && rules[0].starts_with("tcp flags") && rules[0].ends_with("return")) {
    rules[0] = kOnlyBeginnings;  // the versions of nft spell it in several ways
  }
  const std::vector<std::string> expected = rule_texts(family, ports, listen_port);
  for (const std::string& rule : expected) {
    if (std::find(rules.begin(), rules.end(), rule) == rules.end()) {
      return "the rule '" + rule + "' is missing";
    }
  }
  if (!std::equal(rules.begin(), rules.end(), expected.begin(), expected.end())) {
    return "it holds rules that are not ours";
  }
  return std::nullopt;
}

std::vector<std::string> our_nft_tables(const NatFamily& family, std::string_view listing) {
  std::vector<std::string> found;
  for (const std::string_view line : lines_of(listing)) {
    for (const std::string_view table : {kNftTable, kNftClosingTable, kNftProbeTable}) {
      if (line == fmt::format("table {} {}", family.nft_name, table)) {
        found.push_back(fmt::format("nftables: {}", line));
      }
    }
  }
  return found;
}

}  // namespace msi2imds::redirect
