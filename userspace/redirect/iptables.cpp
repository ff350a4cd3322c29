// SPDX-License-Identifier: MIT
#include "redirect/iptables.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>
#include <utility>

#include "redirect/change_watch.hpp"
#include "redirect/errors.hpp"
#include "redirect/iptables_rules.hpp"
#include "redirect/nat_redirection.hpp"
#include "redirect/tool.hpp"

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

// Nor do some versions of the one that speaks to nftables. Without nft nobody can tell, and it is looked for.
bool has_new_nat_table(CommandRunner& runner, const NatFamily& family) {
  const Result<std::string> listing = run_tool(runner, "nft", {"list", "tables"});
  if (!listing) {
    return true;
  }
  const std::vector<std::string_view> lines = lines_of(*listing);
  return std::find(lines.begin(), lines.end(), fmt::format("table {} nat", family.nft_name)) != lines.end();
}

bool has_nat_table(CommandRunner& runner, bool speaks_nftables, const NatFamily& family) {
  return speaks_nftables ? has_new_nat_table(runner, family) : has_old_nat_table(family);
}

std::unique_ptr<ChangeWatch> watch_for(const IptablesTool& tool, const NatFamily& family) {
  const Result<bool> speaks_nftables = tool.speaks_nftables();
  if (speaks_nftables && *speaks_nftables) {
    return std::make_unique<NftWatch>("nat");
  }
  return std::make_unique<LegacyWatch>(family);
}

std::vector<std::string> names_of(const IptablesNat& found, const NatFamily& family) {
  std::vector<std::string> names;
  for (const std::string& chain : found.chains) {
    names.push_back(fmt::format("iptables: chain {} of {}", chain, family.name));
  }
  return names;
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
  Result<std::unique_ptr<Redirection>> redirection =
      NatRedirection::install("iptables", plan, listeners, rules_of(kIpv4), rules_of(kIpv6));
  // The host may have chosen the other kind of iptables since an earlier process of ours.
  if (const Result<bool> kind = tool(kIpv4, *flavour).speaks_nftables(); redirection && kind) {
    (void)remove_but(*kind, plan, Removal::gently);
  }
  return redirection;
}

// `kept`: of those that speak nftables, or of those that do not, nothing goes.
Result<std::vector<std::string>> IptablesRedirector::remove_but(std::optional<bool> kept, const Plan& plan,
                                                                Removal removal) const {
  std::vector<NatLeftover> leftovers;
  std::optional<Error> failure;
  std::set<std::pair<bool, int>> seen;  // one program may go by two names
  for (const std::string& flavour : options_.flavours) {
    for (const NatFamily* family : {&kIpv4, &kIpv6}) {  // the rules refer to it
      const IptablesTool programs = tool(*family, flavour);
      const Result<bool> speaks_nftables = programs.speaks_nftables();
      if (!speaks_nftables || kept == *speaks_nftables || seen.contains({*speaks_nftables, family->domain}) ||
          !has_nat_table(*options_.runner, *speaks_nftables, *family)) {
        continue;
      }
      const Result<IptablesNat> found = programs.look();
      if (found) {
        seen.emplace(*speaks_nftables, family->domain);
      }
      if (found && !found->chains.empty()) {
        leftovers.push_back({.rules = std::make_unique<IptablesRules>(*family, plan.legacy_ports,
                                                                      plan.listen_port, programs, nullptr),
                             .names = names_of(*found, *family)});
      } else if (!found && found.error().code() != Errc::no_nat) {
        failure = found.error();
      }
    }
  }
  Result<std::vector<std::string>> removed = remove(leftovers, removal, plan.listen_port);
  if (removed && failure) {
    return *failure;
  }
  return removed;
}

Result<std::vector<std::string>> IptablesRedirector::remove_leftovers(const Plan& plan,
                                                                      Removal removal) const {
  return remove_but(std::nullopt, plan, removal);
}

}  // namespace msi2imds::redirect
