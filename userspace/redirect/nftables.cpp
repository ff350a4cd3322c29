// SPDX-License-Identifier: MIT
#include "redirect/nftables.hpp"

#include <utility>

#include "redirect/errors.hpp"
#include "redirect/nat_redirection.hpp"
#include "redirect/nft_rules.hpp"
#include "redirect/nft_text.hpp"
#include "redirect/tool.hpp"
#include "redirect/trial_connection.hpp"

namespace msi2imds::redirect {

NftablesRedirector::NftablesRedirector(std::shared_ptr<CommandRunner> runner) : runner_(std::move(runner)) {}

Result<void> NftablesRedirector::probe(const Plan& plan) const {
  if (!plan.cgroups.empty()) {
    return cannot_choose_callers();
  }
  const Result<TrialConnection> trial = TrialConnection::prepare();
  if (!trial) {
    return trial.error();
  }
  Result<void> added =
      run_nft(*runner_, nft_table_text(kIpv4, kNftProbeTable, {trial->port()}, trial->listen_port()));
  if (!added) {
    return added;
  }
  const Result<void> connected = trial->connect();
  const Result<void> removed = run_nft(*runner_, nft_removal_text(kIpv4, {kNftProbeTable}));
  return connected ? removed : connected;
}

std::vector<SocketAddress> NftablesRedirector::listen_addresses(const Plan& plan) const {
  return {SocketAddress::ipv4_loopback(plan.listen_port), SocketAddress::ipv6_loopback(plan.listen_port)};
}

Result<std::unique_ptr<Redirection>> NftablesRedirector::install(
    const Plan& plan, const std::vector<Listener>& listeners) const {
  const auto rules_of = [&](const NatFamily& family) {
    return std::make_unique<NftRules>(family, plan.legacy_ports, plan.listen_port, runner_,
                                      std::make_unique<NftWatch>(std::string(kNftTable)));
  };
  return NatRedirection::install("nftables", plan, listeners, rules_of(kIpv4), rules_of(kIpv6));
}

Result<std::vector<std::string>> NftablesRedirector::remove_leftovers(const Plan& plan,
                                                                      Removal removal) const {
  const Result<std::string> listing = run_tool(*runner_, "nft", {"list", "tables"});
  if (!listing && (listing.error().code() == Errc::not_installed || listing.error().code() == Errc::no_nat)) {
    return std::vector<std::string>();
  }
  if (!listing) {
    return listing.error();
  }
  std::vector<NatLeftover> leftovers;
  for (const NatFamily* family : {&kIpv4, &kIpv6}) {  // the rules refer to it
    NatLeftover leftover{.rules = nullptr, .names = our_nft_tables(*family, *listing)};
    if (!leftover.names.empty()) {
      leftover.rules =
          std::make_unique<NftRules>(*family, plan.legacy_ports, plan.listen_port, runner_, nullptr);
      leftovers.push_back(std::move(leftover));
    }
  }
  return remove(leftovers, removal, plan.listen_port);
}

}  // namespace msi2imds::redirect
