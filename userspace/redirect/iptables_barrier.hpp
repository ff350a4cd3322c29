// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/command.hpp"
#include "redirect/barrier_rules.hpp"
#include "redirect/change_watch.hpp"
#include "redirect/iptables_tool.hpp"
#include "redirect/nat_family.hpp"

namespace msi2imds::redirect {

// Those lines of a listing of the filter table that are ours, in their order, as `iptables -S` prints them.
[[nodiscard]] std::vector<std::string> our_barrier_lines(std::string_view listing);

// What iptables-restore is told, given our lines that are there: a chain to which beginnings of connections
// to the closed addresses go, before all else, and where they are refused by a reset.
[[nodiscard]] std::string iptables_barrier_text(const BarrierPlan& plan, std::string_view owner,
                                                const std::vector<std::string>& ours);

// Whether the chain carries that owner's mark.
[[nodiscard]] bool is_barrier_of(std::string_view owner, const std::vector<std::string>& ours);

// Empty, where there is nothing to do. Like the text before, it removes the marks first, and so fails, and
// changes nothing, where somebody else has put his own since our lines were read.
[[nodiscard]] std::string iptables_barrier_removal_text(const std::vector<std::string>& ours);

// A chain of our own in the filter table, MSI2IMDS_BARRIER.
class IptablesBarrier final : public BarrierRules {
 public:
  explicit IptablesBarrier(std::shared_ptr<CommandRunner> runner = std::make_shared<SystemCommandRunner>(),
                           std::vector<std::string> flavours = {"", "-legacy", "-nft"});

  [[nodiscard]] std::string_view name() const override {
    return "iptables";
  }
  [[nodiscard]] asio::awaitable<Result<void>> put(const BarrierPlan& plan) override;
  [[nodiscard]] asio::awaitable<Result<void>> check() override;
  [[nodiscard]] asio::awaitable<Result<void>> remove(Whose whose) override;
  [[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> find() const override;

 private:
  // The programs of one flavour and family.
  struct Tool {
    const NatFamily* family = nullptr;
    std::string flavour;
  };

  [[nodiscard]] static IptablesPrograms programs_of(const Tool& tool);
  [[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> look(Tool tool) const;
  [[nodiscard]] asio::awaitable<Result<void>> put_with(Tool tool, const BarrierPlan& plan);
  [[nodiscard]] asio::awaitable<Result<void>> remove_with(Tool tool, Whose whose) const;
  [[nodiscard]] asio::awaitable<Result<std::vector<Tool>>> tools_with_ours() const;

  std::shared_ptr<CommandRunner> runner_;
  std::string owner_ = new_owner();
  std::vector<std::string> flavours_;  // tried in this order
  Tool used_;                          // by put()
  std::unique_ptr<ChangeWatch> watch_;
  std::vector<std::string> as_shown_;  // after put()
};

}  // namespace msi2imds::redirect
