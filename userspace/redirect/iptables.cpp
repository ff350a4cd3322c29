// SPDX-License-Identifier: MIT
#include "redirect/iptables.hpp"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "redirect/change_watch.hpp"
#include "redirect/errors.hpp"
#include "redirect/iptables_rules.hpp"
#include "redirect/iptables_text.hpp"
#include "redirect/nat_redirection.hpp"
#include "redirect/nat_removal.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {
namespace {

// How long a probe tries to take back its rule; while it cannot put it, it does not wait.
constexpr std::chrono::seconds kProbePatience{5};

// A system call for each family.
constexpr std::chrono::milliseconds kLookAtLegacyTables{50};

// Adds a rule that matches no connection, to find out whether the kernel accepts it and asks it about the
// legacy ports, and removes it.
asio::awaitable<Result<void>> try_rule(IptablesTool tool, const NatFamily& family, const Plan& plan,
                                       Deadline deadline) {
  Result<void> added = co_await insist(deadline, [&] { return tool.restore(iptables_probe_text(family)); });
  if (!added) {
    co_return added;
  }
  const Result<void> tracked = find_all_tracked(plan.legacy_ports, plan.listen_port);
  const Deadline end = std::max(deadline, deadline_after(kProbePatience));
  const Result<void> removed =
      co_await insist(end, [&] { return tool.restore(iptables_probe_removal_text()); });
  co_return tracked ? removed : tracked;
}

std::unique_ptr<ChangeWatch> watch_for(bool speaks_nftables, const NatFamily& family) {
  if (speaks_nftables) {
    return std::make_unique<NftWatch>("nat", std::vector<std::string>{"OUTPUT", std::string(kIptablesChain)});
  }
  // One clock is enough for both families.
  const auto every = family.domain == AF_INET ? kLookAtLegacyTables : std::chrono::milliseconds(0);
  return std::make_unique<LegacyWatch>(family, "nat", every);
}

std::vector<std::string> names_of(const IptablesNat& found, const NatFamily& family) {
  std::vector<std::string> names;
  for (const std::string& chain : found.chains.empty() ? found.marks : found.chains) {
    names.push_back(fmt::format("iptables: chain {} of {}", chain, family.name));
  }
  return names;
}

}  // namespace

IptablesRedirector::IptablesRedirector(IptablesOptions options) : options_(std::move(options)) {}

IptablesTool IptablesRedirector::tool(const NatFamily& family, const std::string& flavour) const {
  return {iptables_programs(family, flavour), options_.runner, options_.wait};
}

asio::awaitable<Result<std::string>> IptablesRedirector::find_flavour(const Plan& plan,
                                                                      Deadline deadline) const {
  std::optional<Error> refusal;
  for (const std::string& flavour : options_.flavours) {
    const Result<void> tried = co_await try_rule(tool(kIpv4, flavour), kIpv4, plan, deadline);
    if (tried) {
      co_return flavour;
    }
    if (is_busy(tried.error())) {
      co_return tried.error();  // nobody has chosen the next one
    }
    // Of the flavours that are installed, the first is the one that the host has chosen: its error counts.
    if (!refusal || (refusal->code() == Errc::not_installed && tried.error().code() != Errc::not_installed)) {
      refusal = tried.error();
    }
  }
  co_return refusal.value_or(Error(Errc::not_installed, "run iptables"));
}

asio::awaitable<Result<void>> IptablesRedirector::probe(const Plan& plan) const {
  if (!plan.cgroups.empty()) {
    co_return cannot_choose_callers();
  }
  const Result<std::string> flavour = co_await find_flavour(plan, Deadline::min());
  co_return flavour ? Result<void>() : flavour.error();
}

std::vector<SocketAddress> IptablesRedirector::listen_addresses(const Plan& plan) const {
  return {SocketAddress::ipv4_loopback(plan.listen_port), SocketAddress::ipv6_loopback(plan.listen_port)};
}

asio::awaitable<std::unique_ptr<NatRules>> IptablesRedirector::rules_of(const NatFamily& family,
                                                                        const std::string& flavour,
                                                                        const Plan& plan,
                                                                        const std::string& owner) const {
  IptablesTool programs = tool(family, flavour);
  const Result<bool> speaks_nftables = co_await programs.speaks_nftables();
  co_return std::make_unique<IptablesRules>(family, plan.legacy_ports, plan.listen_port, owner,
                                            std::move(programs),
                                            watch_for(speaks_nftables && *speaks_nftables, family));
}

asio::awaitable<Result<std::unique_ptr<Redirection>>> IptablesRedirector::install(
    const Plan& plan, const std::vector<Listener>& listeners) const {
  const Deadline deadline = deadline_after(plan.patience);
  const Result<std::string> flavour = co_await find_flavour(plan, deadline);
  if (!flavour) {
    co_return flavour.error();
  }
  const std::string owner = new_owner();
  std::unique_ptr<NatRules> ipv4 = co_await rules_of(kIpv4, *flavour, plan, owner);
  std::unique_ptr<NatRules> ipv6 = co_await rules_of(kIpv6, *flavour, plan, owner);
  Result<std::unique_ptr<Redirection>> redirection = co_await NatRedirection::install(
      plan, listeners, std::move(ipv4), std::move(ipv6), support_nat(plan), deadline);
  // The host may have switched between legacy iptables and iptables-nft since an earlier process of ours.
  const IptablesTool programs = tool(kIpv4, *flavour);
  const Result<bool> kind = co_await programs.speaks_nftables();
  if (redirection && kind) {
    (void)co_await remove_but(*kind, plan, Removal::gently, deadline);
  }
  co_return redirection;
}

// Collects the leftovers that this flavour shows, unless another flavour has shown the same table. `kept`:
// the rules in nftables (true) or in legacy iptables (false) are left alone.
asio::awaitable<Result<void>> IptablesRedirector::find_leftovers(const NatFamily& family,
                                                                 const std::string& flavour,
                                                                 std::optional<bool> kept, const Plan& plan,
                                                                 Deadline deadline, Found& all) const {
  const IptablesTool programs = tool(family, flavour);
  const Result<bool> speaks_nftables = co_await programs.speaks_nftables();
  if (!speaks_nftables || kept == *speaks_nftables ||
      all.seen.contains(std::pair(*speaks_nftables, family.domain)) ||
      !co_await has_iptables_table(*options_.runner, *speaks_nftables, family, "nat")) {
    co_return Result<void>();
  }
  const Result<IptablesNat> found = co_await insist(deadline, [&] { return programs.look(); });
  if (!found) {
    co_return found.error().code() == Errc::no_nat ? Result<void>() : found.error();
  }
  all.seen.emplace(*speaks_nftables, family.domain);
  const std::vector<std::string> names = names_of(*found, family);
  if (!names.empty()) {
    all.leftovers.push_back({.rules = std::make_unique<IptablesRules>(
                                 family, plan.legacy_ports, plan.listen_port, new_owner(), programs, nullptr),
                             .names = names});
  }
  co_return Result<void>();
}

asio::awaitable<Result<std::vector<std::string>>> IptablesRedirector::remove_but(std::optional<bool> kept,
                                                                                 const Plan& plan,
                                                                                 Removal removal,
                                                                                 Deadline deadline) const {
  Found all;
  std::optional<Error> failure;
  const std::vector<const NatFamily*> families =
      co_await families_with_iptables_table(*options_.runner, std::string("nat"));
  for (const std::string& flavour : options_.flavours) {
    for (const NatFamily* family : families) {  // the rules refer to it
      const Result<void> looked = co_await find_leftovers(*family, flavour, kept, plan, deadline, all);
      if (!looked) {
        failure = looked.error();
      }
    }
  }
  const NatPorts ports = ports_of(plan);
  Result<std::vector<std::string>> removed =
      co_await redirect::remove(all.leftovers, removal, ports, deadline);
  if (removed && failure) {
    co_return *failure;
  }
  co_return removed;
}

asio::awaitable<Result<std::vector<std::string>>> IptablesRedirector::remove_leftovers(
    const Plan& plan, Removal removal) const {
  return remove_but(std::nullopt, plan, removal, deadline_after(plan.patience));
}

}  // namespace msi2imds::redirect
