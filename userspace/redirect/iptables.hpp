// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/command.hpp"
#include "redirect/iptables_tool.hpp"
#include "redirect/nat_removal.hpp"
#include "redirect/redirector.hpp"

namespace msi2imds::redirect {

struct IptablesOptions {
  // Tried in this order; what comes after "iptables" in the names of the programs.
  std::vector<std::string> flavours = {"", "-legacy", "-nft"};
  std::shared_ptr<CommandRunner> runner = std::make_shared<SystemCommandRunner>();
  Wait wait = real_wait();
};

// NAT by a chain of our own, for hosts with Linux 3.10 to 4.x and those whose firewall is iptables. Tracks
// every connection of the host, as nftables does.
class IptablesRedirector final : public Redirector {
 public:
  explicit IptablesRedirector(IptablesOptions options = {});

  [[nodiscard]] std::string_view name() const override {
    return "iptables";
  }
  [[nodiscard]] asio::awaitable<Result<void>> probe(const Plan& plan) const override;
  [[nodiscard]] std::vector<SocketAddress> listen_addresses(const Plan& plan) const override;
  [[nodiscard]] asio::awaitable<Result<std::unique_ptr<Redirection>>> install(
      const Plan& plan, const std::vector<Listener>& listeners) const override;
  [[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> remove_leftovers(
      const Plan& plan, Removal removal) const override;

 private:
  // What earlier processes have left. Two flavours may be names of the same program.
  struct Found {
    std::vector<NatLeftover> leftovers;
    std::set<std::pair<bool, int>> seen;  // whether it speaks nftables, and the family
  };

  [[nodiscard]] asio::awaitable<Result<void>> find_leftovers(const NatFamily& family,
                                                             const std::string& flavour,
                                                             std::optional<bool> kept, const Plan& plan,
                                                             Deadline deadline, Found& all) const;
  [[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> remove_but(std::optional<bool> kept,
                                                                             const Plan& plan,
                                                                             Removal removal,
                                                                             Deadline deadline) const;
  [[nodiscard]] asio::awaitable<std::unique_ptr<NatRules>> rules_of(const NatFamily& family,
                                                                    const std::string& flavour,
                                                                    const Plan& plan,
                                                                    const std::string& owner) const;
  [[nodiscard]] IptablesTool tool(const NatFamily& family, const std::string& flavour) const;
  [[nodiscard]] asio::awaitable<Result<std::string>> find_flavour(const Plan& plan, Deadline deadline) const;

  IptablesOptions options_;
};

}  // namespace msi2imds::redirect
