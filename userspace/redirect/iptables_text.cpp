// SPDX-License-Identifier: MIT
#include "redirect/iptables_text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <initializer_list>
#include <iterator>

#include "redirect/owner.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {
namespace {

constexpr std::string_view kClosingChain = "MSI2IMDS_CLOSING";
constexpr std::string_view kProbeChain = "MSI2IMDS_PROBE";
constexpr std::string_view kJump = "-A OUTPUT -j MSI2IMDS";

std::string restore_rule(const NatFamily& family, std::string_view chain, std::uint16_t port,
                         std::uint16_t listen_port) {
  // As iptables prints it.
  return fmt::format("-A {} -d {}{} -p tcp -m tcp --dport {} -j REDIRECT --to-ports {}", chain,
                     family.loopback, family.domain == AF_INET6 ? "/128" : "", port, listen_port);
}

std::vector<std::string> restore_rules(const NatFamily& family, const std::vector<std::uint16_t>& ports,
                                       std::uint16_t listen_port) {
  // SYNs only: to the kernel, a connection that is older than our rules looks new, but does not begin with a
  // SYN.
  std::vector<std::string> rules = {
      fmt::format("-A {} -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j RETURN", kIptablesChain),
      fmt::format("-A {} -p tcp -m tcp --sport {} -j RETURN", kIptablesChain, listen_port)};
  for (const std::uint16_t port : ports) {
    rules.push_back(restore_rule(family, kIptablesChain, port, listen_port));
  }
  return rules;
}

std::string transaction(const std::string& lines) {
  return lines.empty() ? std::string() : "*nat\n" + lines + "COMMIT\n";
}

// Made if it is not there, emptied if it is.
std::string empty_chain(std::string_view chain) {
  return fmt::format(":{} - [0:0]\n", chain);
}

std::string delete_chain(std::string_view chain) {
  return fmt::format("-F {0}\n-X {0}\n", chain);
}

std::string delete_jumps(const IptablesNat& found) {
  std::string lines;
  for (const std::string& jump : found.jumps) {
    lines += "-D" + jump.substr(2) + "\n";
  }
  return lines;
}

// MSI2IMDS_0123abcd
std::string mark_of(std::string_view chain, std::string_view owner) {
  return fmt::format("{}_{}", chain, owner);
}

bool is_mark_of(std::string_view chain, std::string_view name) {
  return name.starts_with(fmt::format("{}_", chain)) && is_owner(name.substr(chain.size() + 1));
}

bool has_chain(const IptablesNat& found, std::string_view name) {
  return std::find(found.chains.begin(), found.chains.end(), name) != found.chains.end();
}

std::string delete_chains(const IptablesNat& found, const std::vector<std::string_view>& chains) {
  std::string lines;
  for (const std::string_view chain : chains) {
    if (has_chain(found, chain)) {
      lines += delete_chain(chain);
    }
  }
  return lines;
}

std::vector<std::string> marks_of(std::string_view chain, const IptablesNat& found) {
  std::vector<std::string> marks;
  std::copy_if(found.marks.begin(), found.marks.end(), std::back_inserter(marks),
               [chain](const std::string& name) { return is_mark_of(chain, name); });
  return marks;
}

std::string delete_marks(std::string_view chain, const IptablesNat& found) {
  std::string lines;
  for (const std::string& mark : marks_of(chain, found)) {
    lines += delete_chain(mark);
  }
  return lines;
}

// "-N MSI2IMDS" or ":MSI2IMDS - [0:0]"
std::string_view chain_declared_in(std::string_view line) {
  for (const std::string_view beginning : {"-N ", ":"}) {
    if (line.starts_with(beginning)) {
      line.remove_prefix(beginning.size());
      return line.substr(0, line.find(' '));
    }
  }
  return {};
}

bool jumps_to_us(std::string_view rule) {
  return fmt::format("{} ", rule).find(fmt::format(" -j {} ", kIptablesChain)) != std::string::npos;
}

}  // namespace

IptablesNat read_iptables(std::string_view listing) {
  IptablesNat found;
  bool first_of_output = true;
  for (const std::string_view line : lines_of(listing)) {
    const std::string_view declared = chain_declared_in(line);
    if (declared == kIptablesChain || declared == kClosingChain || declared == kProbeChain) {
      found.chains.emplace_back(declared);
    } else if (is_mark_of(kIptablesChain, declared) || is_mark_of(kClosingChain, declared)) {
      found.marks.emplace_back(declared);
    } else if (line.starts_with("-A OUTPUT ")) {
      if (jumps_to_us(line)) {
        found.jumps.emplace_back(line);
        found.jump_is_first = found.jump_is_first || first_of_output;
      }
      first_of_output = false;
    } else if (line.starts_with(fmt::format("-A {} ", kIptablesChain))) {
      found.rules.emplace_back(line);
    }
  }
  return found;
}

IptablesNat owned_by(std::string_view owner, const IptablesNat& found) {
  IptablesNat owned;
  for (const std::string_view chain : {kIptablesChain, kClosingChain}) {
    const std::vector<std::string> marks = marks_of(chain, found);
    if (std::find(marks.begin(), marks.end(), mark_of(chain, owner)) != marks.end()) {
      owned.marks.insert(owned.marks.end(), marks.begin(), marks.end());
      if (has_chain(found, chain)) {
        owned.chains.emplace_back(chain);
      }
    }
  }
  if (has_chain(owned, kIptablesChain)) {
    owned.jumps = found.jumps;
    owned.jump_is_first = found.jump_is_first;
    owned.rules = found.rules;
  }
  return owned;
}

std::optional<std::uint16_t> port_of_iptables(const IptablesNat& found) {
  for (const std::string& rule : found.rules) {
    if (const auto port = number_after(" --to-ports ", rule); port) {
      return port;
    }
  }
  return std::nullopt;
}

bool has_redirecting_chain(const IptablesNat& found) {
  return has_chain(found, kIptablesChain);
}

std::string iptables_text(const NatFamily& family, const std::vector<std::uint16_t>& ports,
                          std::uint16_t listen_port, std::string_view owner, const IptablesNat& found) {
  std::string lines = delete_marks(kIptablesChain, found) + empty_chain(mark_of(kIptablesChain, owner)) +
                      empty_chain(kIptablesChain);
  for (const std::string& rule : restore_rules(family, ports, listen_port)) {
    lines += rule + "\n";
  }
  if (!found.jump_is_first || found.jumps.size() != 1 || found.jumps[0] != kJump) {
    lines += delete_jumps(found) + fmt::format("-I OUTPUT 1 -j {}\n", kIptablesChain);
  }
  return transaction(lines + delete_marks(kClosingChain, found) + delete_chains(found, {kClosingChain}));
}

std::string iptables_closing_text(const NatFamily& family, std::string_view owner, const IptablesNat& found) {
  return transaction(delete_marks(kIptablesChain, found) + delete_marks(kClosingChain, found) +
                     empty_chain(mark_of(kClosingChain, owner)) + empty_chain(kClosingChain) +
                     restore_rule(family, kClosingChain, 1, 1) + "\n" + delete_jumps(found) +
                     delete_chains(found, {kIptablesChain}));
}

std::string iptables_finishing_text(const IptablesNat& found) {
  return transaction(delete_marks(kClosingChain, found) + delete_chains(found, {kClosingChain}));
}

std::string iptables_removal_text(const IptablesNat& found) {
  return transaction(delete_marks(kIptablesChain, found) + delete_marks(kClosingChain, found) +
                     delete_jumps(found) +
                     delete_chains(found, {kIptablesChain, kClosingChain, kProbeChain}));
}

std::string iptables_probe_text(const NatFamily& family) {
  return transaction(empty_chain(kProbeChain) + restore_rule(family, kProbeChain, 1, 1) + "\n");
}

std::string iptables_probe_removal_text() {
  return transaction(delete_chain(kProbeChain));
}

std::optional<std::string> missing_in_iptables(const NatFamily& family,
                                               const std::vector<std::uint16_t>& ports,
                                               std::uint16_t listen_port, std::string_view owner,
                                               const IptablesNat& found) {
  if (found.jumps.empty()) {
    return "nothing in OUTPUT leads to it";
  }
  // The jump's position in OUTPUT is not checked: another tool may insist on being first, too.
  if (found.jumps.size() != 1 || found.jumps[0] != kJump) {
    return "OUTPUT jumps to it in another way than ours";
  }
  const std::vector<std::string> expected = restore_rules(family, ports, listen_port);
  for (const std::string& rule : expected) {
    if (std::find(found.rules.begin(), found.rules.end(), rule) == found.rules.end()) {
      return "the rule '" + rule + "' is missing";
    }
  }
  if (found.rules != expected) {
    return "it holds rules that are not ours";
  }
  if (marks_of(kIptablesChain, found) != std::vector{mark_of(kIptablesChain, owner)}) {
    return "it is not marked as ours";
  }
  return std::nullopt;
}

}  // namespace msi2imds::redirect
