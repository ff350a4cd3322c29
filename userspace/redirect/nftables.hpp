// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "base/command.hpp"
#include "redirect/redirector.hpp"

namespace msi2imds::redirect {

// NAT by tables of our own, "ip msi2imds" and "ip6 msi2imds". Works wherever nft does, at the price of
// tracking every connection of the host.
class NftablesRedirector final : public Redirector {
 public:
  explicit NftablesRedirector(
      std::shared_ptr<CommandRunner> runner = std::make_shared<SystemCommandRunner>());

  [[nodiscard]] std::string_view name() const override {
    return "nftables";
  }
  [[nodiscard]] asio::awaitable<Result<void>> probe(const Plan& plan) const override;
  [[nodiscard]] std::vector<SocketAddress> listen_addresses(const Plan& plan) const override;
  [[nodiscard]] asio::awaitable<Result<std::unique_ptr<Redirection>>> install(
      const Plan& plan, const std::vector<Listener>& listeners) const override;
  [[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> remove_leftovers(
      const Plan& plan, Removal removal) const override;

 private:
  std::shared_ptr<CommandRunner> runner_;
};

}  // namespace msi2imds::redirect
