// SPDX-License-Identifier: MIT
#include "redirect/nft_text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "redirect/owner.hpp"
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

// Empty as well. A transaction that names the chain of one owner fails if the table has another owner by
// then.
constexpr std::string_view kOwnerChain = "owner_";

// Runs after the translation. Where the kernel takes a new SYN for a part of an older connection, it does not
// ask the rules. Such a SYN is dropped: its client tries again after a second, and OldConnections has made
// the kernel forget the older connection by then. One that somebody exempts from tracking is never
// translated, however often its client tries: it goes its way, and is refused where nobody listens.
constexpr std::string_view kUntranslatedChain = "untranslated";
constexpr std::string_view kNotUntracked = "ct state untracked return";
constexpr std::string_view kUntranslatedHook = "type filter hook output priority";

std::string rule_text(const NatFamily& family, std::string_view address, std::uint16_t port,
                      std::string_view verdict) {
  return fmt::format("{} daddr {} tcp dport {} {}", family.nft_name, address, port, verdict);
}

std::string redirect_to(std::uint16_t port) {
  return fmt::format("redirect to :{}", port);
}

std::vector<std::string> rule_texts(const NatFamily& family, const std::vector<std::uint16_t>& ports,
                                    std::uint16_t listen_port, std::string_view verdict) {
  std::vector<std::string> rules = {std::string(kOnlyBeginnings),
                                    fmt::format("tcp sport {} return", listen_port)};
  for (const std::uint16_t port : ports) {
    rules.push_back(rule_text(family, family.loopback, port, verdict));
  }
  return rules;
}

// One that hangs on a hook.
struct Chain {
  std::string_view name;
  std::string_view hook;
  int priority = 0;
  std::vector<std::string> rules;
};

std::vector<Chain> chains_of(std::vector<std::string> rules) {
  return {{.name = kRulesChain, .hook = kRulesHook, .priority = -100, .rules = std::move(rules)},
          {.name = kRepliesChain, .hook = kRepliesHook, .priority = 100, .rules = {}}};
}

// All of our table but the mark.
std::vector<Chain> chains_of(const NatFamily& family, const std::vector<std::uint16_t>& ports,
                             std::uint16_t listen_port) {
  std::vector<Chain> chains = chains_of(rule_texts(family, ports, listen_port, redirect_to(listen_port)));
  std::vector<std::string> drops = rule_texts(family, ports, listen_port, "drop");
  drops.insert(drops.begin(), std::string(kNotUntracked));
  chains.push_back(
      {.name = kUntranslatedChain, .hook = kUntranslatedHook, .priority = 0, .rules = std::move(drops)});
  return chains;
}

// Replaces a table of that name, whether or not there is one.
std::string replacement_text(const NatFamily& family, std::string_view table,
                             const std::vector<Chain>& chains, std::string_view owner) {
  std::string text = nft_removal_text(family.nft_name, {table});
  text += fmt::format("table {} {} {{\n", family.nft_name, table);
  for (const Chain& chain : chains) {
    text += fmt::format("\tchain {} {{\n\t\t{} {};\n", chain.name, chain.hook, chain.priority);
    for (const std::string& rule : chain.rules) {
      text += "\t\t" + rule + "\n";
    }
    text += "\t}\n";
  }
  return text + nft_mark_text(owner) + "}\n";
}

// A rule of a listing as we write it: the versions of nft spell some in several ways.
std::string in_our_spelling(const std::string& listed) {
  for (const std::string_view ours : {kOnlyBeginnings, kNotUntracked}) {
    const std::string_view beginning = ours.substr(0, ours.find(' ', ours.find(' ') + 1) + 1);
    if (listed.starts_with(beginning) && listed.ends_with(" return")) {
      return std::string(ours);
    }
  }
  return listed;
}

// What a chain lacks, according to a listing.
std::optional<std::string> missing_in_chain(const Chain& chain, const std::vector<std::string_view>& lines) {
  const auto place = std::find(lines.begin(), lines.end(), fmt::format("chain {} {{", chain.name));
  if (place == lines.end()) {
    return fmt::format("chain {} is missing", chain.name);
  }
  if (place + 1 == lines.end() || !(place + 1)->starts_with(chain.hook)) {
    return fmt::format("chain {} is not where connections pass", chain.name);
  }
  std::vector<std::string> rules(place + 2, std::find(place, lines.end(), "}"));
  std::ranges::transform(rules, rules.begin(), in_our_spelling);
  for (const std::string& rule : chain.rules) {
    if (std::find(rules.begin(), rules.end(), rule) == rules.end()) {
      return "the rule '" + rule + "' is missing";
    }
  }
  if (rules != chain.rules) {
    return "it holds rules that are not ours";
  }
  return std::nullopt;
}

}  // namespace

std::string nft_table_text(const NatFamily& family, const std::vector<std::uint16_t>& ports,
                           std::uint16_t listen_port, std::string_view owner) {
  return replacement_text(family, kNftTable, chains_of(family, ports, listen_port), owner) +
         nft_removal_text(family.nft_name, {kNftClosingTable});
}

std::string nft_probe_text(const NatFamily& family, std::uint16_t port, std::uint16_t listen_port) {
  return replacement_text(family, kNftProbeTable,
                          chains_of(rule_texts(family, {port}, listen_port, redirect_to(listen_port))), {});
}

std::string nft_refill_text(const NatFamily& family, const std::vector<std::uint16_t>& ports,
                            std::uint16_t listen_port, std::string_view owner,
                            const std::vector<std::string>& owners_before) {
  const std::string table = fmt::format("{} {}", family.nft_name, kNftTable);
  const std::vector<Chain> chains = chains_of(family, ports, listen_port);
  std::string text = fmt::format("add table {}\n", table);
  for (const Chain& chain : chains) {
    text += fmt::format("add chain {} {} {{ {} {}; }}\n", table, chain.name, chain.hook, chain.priority);
  }
  text += fmt::format("flush table {}\n", table);
  for (const Chain& chain : chains) {
    for (const std::string& rule : chain.rules) {
      text += fmt::format("add rule {} {} {}\n", table, chain.name, rule);
    }
  }
  for (const std::string& before : owners_before) {
    text += fmt::format("delete chain {} {}{}\n", table, kOwnerChain, before);
  }
  return text + fmt::format("add chain {} {}{}\n", table, kOwnerChain, owner);
}

std::string nft_condition_text(std::string_view family, std::string_view table, std::string_view owner) {
  return fmt::format("flush chain {} {} {}{}\n", family, table, kOwnerChain, owner);
}

std::string nft_mark_text(std::string_view owner) {
  return owner.empty() ? std::string() : fmt::format("\tchain {}{} {{\n\t}}\n", kOwnerChain, owner);
}

std::string nft_closing_text(const NatFamily& family, std::string_view owner) {
  std::vector<std::string> rules = {rule_text(family, family.nowhere, 1, redirect_to(1))};
  return replacement_text(family, kNftClosingTable, chains_of(std::move(rules)), owner) +
         nft_removal_text(family.nft_name, {kNftTable});
}

std::string nft_removal_text(std::string_view family, const std::vector<std::string_view>& tables) {
  std::string text;
  for (const std::string_view table : tables) {  // only what is there can be deleted
    text += fmt::format("add table {0} {1}\ndelete table {0} {1}\n", family, table);
  }
  return text;
}

std::vector<std::string> nft_owners(std::string_view listing) {
  const std::string beginning = fmt::format("chain {}", kOwnerChain);
  std::vector<std::string> owners;
  for (std::string_view line : lines_of(listing)) {
    if (line.starts_with(beginning)) {
      line.remove_prefix(beginning.size());
      const std::string_view name = line.substr(0, line.find(' '));
      if (is_owner(name)) {
        owners.emplace_back(name);
      }
    }
  }
  return owners;
}

std::optional<std::uint16_t> port_of_nft_table(std::string_view listing) {
  return number_after(" redirect to :", listing);
}

std::optional<std::string> missing_in_nft_table(const NatFamily& family,
                                                const std::vector<std::uint16_t>& ports,
                                                std::uint16_t listen_port, std::string_view owner,
                                                std::string_view listing) {
  const std::vector<std::string_view> lines = lines_of(listing);
  if (std::any_of(lines.begin(), lines.end(),
                  [](std::string_view line) { return line.starts_with("flags"); })) {
    return "it is switched off";
  }
  for (const Chain& chain : chains_of(family, ports, listen_port)) {
    std::optional<std::string> missing = missing_in_chain(chain, lines);
    if (missing) {
      return missing;
    }
  }
  if (nft_owners(listing) != std::vector{std::string(owner)}) {
    return "it is not marked as ours";
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
