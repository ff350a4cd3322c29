// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redirect/barrier.hpp"
#include "redirect/barrier_rules.hpp"
#include "redirect/guard.hpp"

namespace msi2imds::redirect {

// A barrier of firewall rules, which would outlive this process: a guard removes them should it be killed.
// Rules cannot be limited to cgroups.
class RulesBarrier final : public Barrier {
 public:
  explicit RulesBarrier(std::unique_ptr<BarrierRules> rules);

  [[nodiscard]] std::string_view name() const override {
    return rules_->name();
  }
  [[nodiscard]] asio::awaitable<Result<void>> raise(const BarrierPlan& plan) override;
  [[nodiscard]] asio::awaitable<Result<void>> check() override;
  [[nodiscard]] asio::awaitable<Result<void>> lower() override;
  [[nodiscard]] bool hand_over() override;
  [[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> find_leftovers() const override;
  [[nodiscard]] asio::awaitable<Result<void>> remove_leftovers() const override;

 private:
  [[nodiscard]] asio::awaitable<Result<void>> keep_guard();
  void dismiss_guard();

  std::shared_ptr<BarrierRules> rules_;  // the guard's process has a copy
  std::optional<Guard> guard_;           // while there may be rules
  bool is_guard_at_work_ = false;        // it removes them, and must not meet new ones
  bool is_raised_ = false;
  std::chrono::milliseconds patience_{0};
};

}  // namespace msi2imds::redirect
