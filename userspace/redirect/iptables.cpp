// SPDX-License-Identifier: MIT
#include "redirect/iptables.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <utility>

#include "redirect/change_watch.hpp"
#include "redirect/errors.hpp"
#include "redirect/iptables_rules.hpp"
#include "redirect/nat_redirection.hpp"

namespace msi2imds::redirect {
namespace {

// Adds a rule where no connection passes, which shows whether the kernel takes it, and removes it.
Result<void> try_rule(const IptablesTool& tool, const NatFamily& family) {
  Result<void> added = tool.restore(iptables_probe_text(family));
  if (!added) {
    return added;
  }
  return tool.restore(iptables_probe_removal_text());
}

// The old iptables would make its nat table if it only looked for it.
bool has_old_nat_table(const NatFamily& family) {
  std::ifstream names(family.domain == AF_INET6 ? "/proc/self/net/ip6_tables_names"
                                                : "/proc/self/net/ip_tables_names");
  for (std::string name; names >> name;) {
    if (name == "nat") {
      return true;
    }
  }
  return false;
}

bool is_there(const IptablesTool& tool, const NatFamily& family) {
  const Result<bool> speaks_nftables = tool.speaks_nftables();
  return speaks_nftables && (*speaks_nftables || has_old_nat_table(family));
}

std::unique_ptr<ChangeWatch> watch_for(const IptablesTool& tool, const NatFamily& family) {
  const Result<bool> speaks_nftables = tool.speaks_nftables();
  if (speaks_nftables && *speaks_nftables) {
    return std::make_unique<NftWatch>("nat");
  }
  return std::make_unique<LegacyWatch>(family);
}

// Removes what is there of ours, and says what it was.
Result<std::vector<std::string>> remove_ours(const IptablesTool& tool, const NatFamily& family) {
  std::vector<std::string> removed;
  const Result<void> changed = tool.change([&](const IptablesNat& found) {
    removed.clear();
    for (const std::string& chain : found.chains) {
      removed.push_back(fmt::format("iptables: chain {} of {}", chain, family.name));
    }
    return iptables_removal_text(found);
  });
  if (!changed) {
    return changed.error();
  }
  return removed;
}

}  // namespace

IptablesRedirector::IptablesRedirector(IptablesOptions options) : options_(std::move(options)) {}

IptablesTool IptablesRedirector::tool(const NatFamily& family, const std::string& flavour) const {
  return {iptables_programs(family, flavour), options_.runner, options_.wait};
}

Result<std::string> IptablesRedirector::find_flavour() const {
  std::optional<Error> refusal;
  for (const std::string& flavour : options_.flavours) {
    const Result<void> tried = try_rule(tool(kIpv4, flavour), kIpv4);
    if (tried) {
      return flavour;
    }
    // Of those that are there, the first is the host's choice.
    if (!refusal || (refusal->code() == Errc::not_installed && tried.error().code() != Errc::not_installed)) {
      refusal = tried.error();
    }
  }
  return refusal.value_or(Error(Errc::not_installed, "run iptables"));
}

Result<void> IptablesRedirector::probe(const Plan& plan) const {
  if (!plan.cgroups.empty()) {
    return cannot_choose_callers();
  }
  const Result<std::string> flavour = find_flavour();
  if (!flavour) {
    return flavour.error();
  }
  return {};
}

std::vector<SocketAddress> IptablesRedirector::listen_addresses(const Plan& plan) const {
  return {SocketAddress::ipv4_loopback(plan.listen_port), SocketAddress::ipv6_loopback(plan.listen_port)};
}

Result<std::unique_ptr<Redirection>> IptablesRedirector::install(
    const Plan& plan, const std::vector<Listener>& listeners) const {
  const Result<std::string> flavour = find_flavour();
  if (!flavour) {
    return flavour.error();
  }
  const auto rules_of = [&](const NatFamily& family) {
    const IptablesTool programs = tool(family, *flavour);
    return std::make_unique<IptablesRules>(family, plan.legacy_ports, plan.listen_port, programs,
                                           watch_for(programs, family));
  };
  return NatRedirection::install("iptables", plan, listeners, rules_of(kIpv4), rules_of(kIpv6));
}

Result<std::vector<std::string>> IptablesRedirector::remove_leftovers(const Plan& /*plan*/) const {
  std::vector<std::string> removed;
  std::optional<Error> failure;
  for (const std::string& flavour : options_.flavours) {
    for (const NatFamily& family : {kIpv4, kIpv6}) {
      const IptablesTool programs = tool(family, flavour);
      if (!is_there(programs, family)) {
        continue;
      }
      const Result<std::vector<std::string>> chains = remove_ours(programs, family);
      if (chains) {
        removed.insert(removed.end(), chains->begin(), chains->end());
      } else if (chains.error().code() != Errc::no_nat) {
        failure = chains.error();
      }
    }
  }
  if (failure) {
    return *failure;
  }
  return removed;
}

}  // namespace msi2imds::redirect
