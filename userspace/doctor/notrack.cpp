// SPDX-License-Identifier: MIT
#include "doctor/notrack.hpp"

#include <algorithm>

#include "base/run_to_end.hpp"
#include "base/text.hpp"
#include "doctor/files.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kNotrackCheck = "firewall";

bool has_word(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// Whether what follows one of these words may be the loopback device. A rule without them is for all.
bool may_be_loopback(const std::vector<std::string>& words) {
  bool is_limited = false;
  for (std::size_t at = 0; at + 1 < words.size(); ++at) {
    const std::string& word = words[at];
    if (word == "iif" || word == "iifname" || word == "oif" || word == "oifname" || word == "-i" ||
        word == "-o") {
      is_limited = true;
      if (words[at + 1] == "lo" || words[at + 1] == "!=") {
        return true;
      }
    }
  }
  return !is_limited;
}

bool may_be_port(std::string_view rule, const std::vector<std::string>& words,
                 const std::vector<std::uint16_t>& ports) {
  if (rule.find("port") == std::string_view::npos) {
    return true;
  }
  return std::ranges::any_of(ports,
                             [&words](std::uint16_t port) { return has_word(words, std::to_string(port)); });
}

std::string output_of(const Host& host, const std::string& program,
                      const std::vector<std::string>& arguments) {
  const auto ended = run_to_end(host.commands.run(program, arguments, ""));
  return ended && ended->exit_status == 0 ? ended->output : std::string();
}

// iptables is asked only where there is a raw table already, since asking makes one.
std::string read_rules(const Host& host) {
  std::string rules = output_of(host, "nft", {"list", "ruleset"});
  const std::string tables = read_text(host.root.proc + "/net/ip_tables_names");
  if (rules.find("table ip raw") != std::string::npos || has_word(split(tables, "\n"), "raw")) {
    rules += "\n" + output_of(host, "iptables", {"-w", "5", "-t", "raw", "-S"});
  }
  return rules;
}

}  // namespace

bool untracks_loopback(std::string_view rule, const std::vector<std::uint16_t>& ports) {
  const std::vector<std::string> words = split(rule, " \t\",{}");
  const bool untracks =
      has_word(words, "notrack") || has_word(words, "--notrack") || has_word(words, "NOTRACK");
  const bool is_for_udp = has_word(words, "udp") && !has_word(words, "tcp");
  return untracks && !is_for_udp && may_be_loopback(words) && may_be_port(rule, words, ports);
}

Findings check_notrack(const Host& host, const std::string& backend) {
  if (!host.is_root) {
    return {unknown(kNotrackCheck, "Firewall rules are not known: only root may read them.")};
  }
  std::vector<std::uint16_t> ports = host.config.legacy.ports;
  ports.push_back(host.config.redirect.listen_port);
  const std::vector<std::string> rules = split(read_rules(host), "\n");
  const auto found = std::ranges::find_if(
      rules, [&ports](const std::string& rule) { return untracks_loopback(rule, ports); });
  if (found == rules.end()) {
    return {};
  }
  const std::string text =
      "A rule keeps loopback connections from being tracked (" + std::string(trim(*found)) + ")";
  if (backend.empty() || backend == "nftables" || backend == "iptables") {
    return {warning(kNotrackCheck, text + ": nftables and iptables cannot redirect them.",
                    "Take the legacy ports out of that rule, or choose another backend.")};
  }
  return {ok(kNotrackCheck, text + ", which concerns only nftables and iptables.")};
}

}  // namespace msi2imds::doctor
