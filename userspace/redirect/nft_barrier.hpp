// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/command.hpp"
#include "redirect/barrier_rules.hpp"
#include "redirect/change_watch.hpp"

namespace msi2imds::redirect {

// What nft is told: a table that refuses beginnings of connections to the closed addresses, by a reset.
// Whoever has no user passes no more than who has another one: Multipath TCP's sockets belong to the kernel.
[[nodiscard]] std::string nft_barrier_text(const BarrierPlan& plan, std::string_view owner);

// A table of our own, "ip msi2imds_barrier" or "ip6 msi2imds_barrier".
class NftBarrier final : public BarrierRules {
 public:
  explicit NftBarrier(std::shared_ptr<CommandRunner> runner = std::make_shared<SystemCommandRunner>());

  [[nodiscard]] std::string_view name() const override {
    return "nftables";
  }
  [[nodiscard]] asio::awaitable<Result<void>> put(const BarrierPlan& plan) override;
  [[nodiscard]] asio::awaitable<Result<void>> check() override;
  [[nodiscard]] asio::awaitable<Result<void>> remove(Whose whose) override;
  [[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> find() const override;

 private:
  [[nodiscard]] asio::awaitable<Result<std::string>> listing() const;
  [[nodiscard]] asio::awaitable<Result<void>> remove_of(std::string_view family, Whose whose) const;

  std::shared_ptr<CommandRunner> runner_;
  std::string owner_ = new_owner();
  NftWatch watch_;
  std::string family_;    // of the table that was put
  std::string as_shown_;  // after it was put
};

}  // namespace msi2imds::redirect
