// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/command.hpp"
#include "redirect/iptables_tool.hpp"
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
  [[nodiscard]] Result<void> probe(const Plan& plan) const override;
  [[nodiscard]] std::vector<SocketAddress> listen_addresses(const Plan& plan) const override;
  [[nodiscard]] Result<std::unique_ptr<Redirection>> install(
      const Plan& plan, const std::vector<Listener>& listeners) const override;
  [[nodiscard]] Result<std::vector<std::string>> remove_leftovers(const Plan& plan,
                                                                  Removal removal) const override;

 private:
  [[nodiscard]] Result<std::vector<std::string>> remove_but(std::optional<bool> kept, const Plan& plan,
                                                            Removal removal) const;
  [[nodiscard]] IptablesTool tool(const NatFamily& family, const std::string& flavour) const;
  [[nodiscard]] Result<std::string> find_flavour() const;

  IptablesOptions options_;
};

}  // namespace msi2imds::redirect
