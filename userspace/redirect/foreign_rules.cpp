// SPDX-License-Identifier: MIT
#include "redirect/foreign_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "base/text.hpp"
#include "redirect/nft_text.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {
namespace {

using Words = std::vector<std::string_view>;

Words words_of(std::string_view rule) {
  constexpr std::string_view kSeparators = " \t\n\",{}";
  Words words;
  while (!rule.empty()) {
    const std::size_t end = std::min(rule.find_first_of(kSeparators), rule.size());
    if (end > 0) {
      words.push_back(rule.substr(0, end));
    }
    rule.remove_prefix(std::min(end + 1, rule.size()));
  }
  return words;
}

bool has_any(const Words& words, std::initializer_list<std::string_view> looked_for) {
  return std::ranges::find_first_of(words, looked_for) != words.end();
}

bool is_loopback_device(std::string_view word) {
  return word == "lo";
}

// Or a set that has a name.
bool is_loopback_address(std::string_view word) {
  return word.starts_with("127.") || word.starts_with("::1") || word.starts_with("0.0.0.0/0") ||
         word.starts_with('@');
}

// Whether a rule is limited to something else than the loopback: by one of these words, with what stands
// behind it. A rule without such a word is for all.
bool is_for_others(const Words& words, std::initializer_list<std::string_view> keys,
                   bool (*is_loopback)(std::string_view)) {
  for (std::size_t at = 0; at + 1 < words.size(); ++at) {
    if (std::ranges::find(keys, words[at]) == keys.end() || words[at + 1] == "type") {
      continue;
    }
    const bool is_negated = words[at + 1] == "!=" || (at > 0 && words[at - 1] == "!");
    const bool names_it =
        std::any_of(words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end(), is_loopback);
    if (names_it == is_negated) {
      return true;
    }
  }
  return false;
}

bool may_be_loopback(const Words& words) {
  const bool is_for_udp = has_any(words, {"udp"}) && !has_any(words, {"tcp"});
  return !is_for_udp &&
         !is_for_others(words, {"iif", "iifname", "oif", "oifname", "-i", "-o"}, is_loopback_device) &&
         !is_for_others(words, {"daddr", "saddr", "-d", "-s"}, is_loopback_address);
}

// A port, or several: "50342", "50000-51000", "50000:51000".
bool includes(std::string_view word, std::uint16_t port) {
  const std::size_t dash = word.find_first_of("-:");
  const auto first = parse_number<std::uint16_t>(word.substr(0, dash));
  const auto last =
      dash == std::string_view::npos ? first : parse_number<std::uint16_t>(word.substr(dash + 1));
  return first && last && *first <= port && port <= *last;
}

bool includes_any(std::string_view word, const Ports& ports) {
  return std::ranges::any_of(ports, [word](std::uint16_t port) { return includes(word, port); });
}

// The statement or the target that leads a connection elsewhere, with what stands behind it.
Words::const_iterator translation_in(const Words& words) {
  const std::array translations = {std::string_view("redirect"), std::string_view("dnat"),
                                   std::string_view("REDIRECT"), std::string_view("DNAT")};
  return std::ranges::find_first_of(words, translations);
}

// What a connection is translated to is no condition.
bool names_port(const Words& words, const Ports& ports) {
  const std::array keys = {std::string_view("dport"), std::string_view("--dport"),
                           std::string_view("--dports")};
  const auto end = translation_in(words);
  const auto key = std::find_first_of(words.begin(), end, keys.begin(), keys.end());
  const bool is_negated =
      key != end && ((key + 1 != end && *(key + 1) == "!=") || (key != words.begin() && *(key - 1) == "!"));
  if (is_negated) {
    return false;
  }
  return std::any_of(key, end, [&ports](std::string_view word) { return includes_any(word, ports); });
}

// "redirect to :tcp dport map { 50342 : 9 }"; what a map of a name holds is not in the rule.
bool maps_port(const Words& words, const Ports& ports) {
  const auto map = std::find(translation_in(words), words.end(), std::string_view("map"));
  for (auto word = map; word != words.end() && word + 1 != words.end(); ++word) {
    if (*(word + 1) == ":" && includes_any(*word, ports)) {
      return true;
    }
  }
  return false;
}

// Whether it translates whatever port was dialled, as far as it says.
bool translates_all_ports(const Words& words) {
  const auto translation = translation_in(words);
  return translation != words.end() && translation + 1 != words.end() &&
         std::find(translation, words.end(), std::string_view("map")) == words.end() &&
         std::none_of(words.begin(), translation,
                      [](std::string_view word) { return word.find("port") != std::string_view::npos; });
}

// Whatever it leads to may refuse, too.
bool may_refuse(const Words& words) {
  if (has_any(words, {"drop", "reject", "jump", "goto", "-g"})) {
    return true;
  }
  const auto key = std::ranges::find(words, std::string_view("-j"));
  const std::initializer_list<std::string_view> harmless = {
      "ACCEPT",   "RETURN", "LOG",     "NFLOG",  "TRACE", "AUDIT",   "MARK",
      "CONNMARK", "CT",     "NOTRACK", "TCPMSS", "DNAT",  "REDIRECT"};
  return key != words.end() && key + 1 != words.end() &&
         std::ranges::find(harmless, *(key + 1)) == harmless.end();
}

std::string_view without_comment(std::string_view rule) {
  return rule.substr(0, rule.find(" comment \""));
}

bool is_of_our_iptables(std::string_view line) {
  return line.find("MSI2IMDS") != std::string_view::npos;
}

// Of `nft list ruleset`, those in chains that a local connection passes; of those of NAT, what translates.
void add_nft_rules(std::string_view listing, std::vector<std::string>& rules) {
  bool is_ours = false;  // the table, or the chain where it is of iptables-nft
  bool is_nat = false;
  bool is_passed_over = false;
  for (const std::string_view line : lines_of(listing)) {
    const Words words = words_of(line);
    if (words.empty()) {
      continue;
    }
    if (words[0] == "table") {
      is_ours = words.back().starts_with(kNftTable);
    } else if (words[0] == "chain") {
      is_nat = false;
      is_passed_over = is_of_our_iptables(line);
    } else if (words[0] == "type") {
      is_nat = has_any(words, {"nat"});
      // NAT has decided about a local connection before it comes in.
      is_passed_over = has_any(words, {"forward"}) || (is_nat && !has_any(words, {"output"}));
    } else if (!is_ours && !is_passed_over &&
               (is_nat ? translation_in(words) != words.end() : !translates_all_ports(words))) {
      // Whoever jumps to a chain chooses the ports of what it translates.
      rules.emplace_back(line);
    }
  }
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// iptables is asked only for tables that are there, since asking makes them.
std::vector<std::pair<std::string, std::string>> tables_of_iptables(std::string_view ruleset,
                                                                    const std::string& proc) {
  std::vector<std::pair<std::string, std::string>> tables;
  for (const std::string family : {"ip", "ip6"}) {
    const std::string names = read_file(fmt::format("{}/net/{}_tables_names", proc, family));
    const Words legacy = words_of(names);
    for (const std::string table : {"raw", "filter", "nat"}) {
      if (has_any(legacy, {table}) ||
          ruleset.find(fmt::format("table {} {} {{", family, table)) != std::string_view::npos) {
        tables.emplace_back(family, table);
      }
    }
  }
  return tables;
}

void add_iptables_rules(std::string_view listing, std::string_view table, std::vector<std::string>& rules) {
  for (const std::string_view line : lines_of(listing)) {
    const Words words = words_of(line);
    const bool may_matter = table == "nat"
                                ? translation_in(words) != words.end() && !has_any(words, {"PREROUTING"}) &&
                                      (has_any(words, {"OUTPUT"}) || !translates_all_ports(words))
                                : !has_any(words, {"FORWARD"});
    if (may_matter && !is_of_our_iptables(line)) {
      rules.emplace_back(line);
    }
  }
}

}  // namespace

asio::awaitable<std::vector<std::string>> foreign_rules(CommandRunner& runner, std::string proc) {
  std::vector<std::string> rules;
  std::vector<std::string> arguments = {"list", "ruleset"};
  const Result<std::string> nft = co_await run_tool(runner, "nft", std::move(arguments));
  const std::string ruleset = nft ? *nft : std::string();
  add_nft_rules(ruleset, rules);
  for (const auto& [family, table] : tables_of_iptables(ruleset, proc)) {
    std::vector<std::string> list = {"-w", "5", "-t", table, "-S"};
    const auto listed = co_await run_tool(runner, family + "tables", std::move(list));
    if (listed) {
      add_iptables_rules(*listed, table, rules);
    }
  }
  co_return rules;
}

bool untracks_loopback(std::string_view rule, const Ports& ports) {
  const Words words = words_of(rule);
  const bool is_for_all_ports = rule.find("port") == std::string_view::npos;
  return has_any(words, {"notrack", "--notrack", "NOTRACK"}) && may_be_loopback(words) &&
         (is_for_all_ports || names_port(words, ports));
}

bool filters_loopback(std::string_view rule, const Ports& ports) {
  const Words words = words_of(without_comment(rule));
  return may_refuse(words) && may_be_loopback(words) && names_port(words, ports);
}

bool leads_loopback_elsewhere(std::string_view rule, const Ports& ports) {
  const Words words = words_of(without_comment(rule));
  return translation_in(words) != words.end() && may_be_loopback(words) &&
         (names_port(words, ports) || maps_port(words, ports) || translates_all_ports(words));
}

std::string first_of(const std::vector<std::string>& rules, bool (*concerns)(std::string_view, const Ports&),
                     const Ports& ports) {
  const auto found =
      std::ranges::find_if(rules, [&](const std::string& rule) { return concerns(rule, ports); });
  return found != rules.end() ? *found : std::string();
}

}  // namespace msi2imds::redirect
