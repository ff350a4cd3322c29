// SPDX-License-Identifier: MIT
#include "redirect/nftables.hpp"

#include <utility>

#include "redirect/errors.hpp"
#include "redirect/nat_redirection.hpp"
#include "redirect/nat_removal.hpp"
#include "redirect/nft_rules.hpp"
#include "redirect/nft_text.hpp"
#include "redirect/nft_tool.hpp"
#include "redirect/tool.hpp"
#include "redirect/trial_connection.hpp"

namespace msi2imds::redirect {

NftablesRedirector::NftablesRedirector(std::shared_ptr<CommandRunner> runner) : runner_(std::move(runner)) {}

asio::awaitable<Result<void>> NftablesRedirector::probe(const Plan& plan) const {
  if (!plan.cgroups.empty()) {
    co_return cannot_choose_callers();
  }
  const Result<TrialConnection> trial = TrialConnection::prepare();
  if (!trial) {
    co_return trial.error();
  }
  const std::string text = nft_probe_text(kIpv4, trial->port(), trial->listen_port());
  Result<void> added = co_await run_nft(*runner_, text);
  if (!added) {
    co_return added;
  }
  Result<void> connected = co_await trial->connect();
  if (connected) {
    connected = find_all_tracked(plan.legacy_ports, plan.listen_port);
  }
  const std::string removal = nft_removal_text(kIpv4.nft_name, {kNftProbeTable});
  const Result<void> removed = co_await run_nft(*runner_, removal);
  co_return connected ? removed : connected;
}

std::vector<SocketAddress> NftablesRedirector::listen_addresses(const Plan& plan) const {
  return {SocketAddress::ipv4_loopback(plan.listen_port), SocketAddress::ipv6_loopback(plan.listen_port)};
}

asio::awaitable<Result<std::unique_ptr<Redirection>>> NftablesRedirector::install(
    const Plan& plan, const std::vector<Listener>& listeners) const {
  const std::string owner = new_owner();
  const auto rules_of = [&](const NatFamily& family) {
    return std::make_unique<NftRules>(family, plan.legacy_ports, plan.listen_port, owner, runner_,
                                      std::make_unique<NftWatch>(std::string(kNftTable)));
  };
  return NatRedirection::install(plan, listeners, rules_of(kIpv4), rules_of(kIpv6), support_nat(plan),
                                 deadline_after(plan.patience));
}

asio::awaitable<Result<std::vector<std::string>>> NftablesRedirector::remove_leftovers(
    const Plan& plan, Removal removal) const {
  std::vector<std::string> arguments = {"list", "tables"};
  const Result<std::string> listing = co_await run_tool(*runner_, "nft", std::move(arguments));
  if (!listing && (listing.error().code() == Errc::not_installed || listing.error().code() == Errc::no_nat)) {
    co_return std::vector<std::string>();
  }
  if (!listing) {
    co_return listing.error();
  }
  const std::string owner = new_owner();
  std::vector<NatLeftover> leftovers;
  for (const NatFamily* family : {&kIpv4, &kIpv6}) {  // the rules refer to it
    NatLeftover leftover{.rules = nullptr, .names = our_nft_tables(*family, *listing)};
    if (!leftover.names.empty()) {
      leftover.rules =
          std::make_unique<NftRules>(*family, plan.legacy_ports, plan.listen_port, owner, runner_, nullptr);
      leftovers.push_back(std::move(leftover));
    }
  }
  const NatPorts ports = ports_of(plan);
  co_return co_await redirect::remove(leftovers, removal, ports, deadline_after(plan.patience));
}

}  // namespace msi2imds::redirect
