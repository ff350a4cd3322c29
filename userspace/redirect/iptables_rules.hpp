// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "redirect/change_watch.hpp"
#include "redirect/iptables_tool.hpp"
#include "redirect/nat_rules.hpp"

namespace msi2imds::redirect {

// A chain of our own in the nat table, to which OUTPUT jumps.
class IptablesRules final : public NatRules {
 public:
  IptablesRules(const NatFamily& family, std::vector<std::uint16_t> ports, std::uint16_t listen_port,
                std::string owner, IptablesTool tool, std::unique_ptr<ChangeWatch> watch);

  [[nodiscard]] asio::awaitable<Result<void>> put() override;
  [[nodiscard]] asio::awaitable<Result<void>> check() override;
  [[nodiscard]] asio::awaitable<Result<std::optional<std::uint16_t>>> port_of_others() override;
  [[nodiscard]] asio::awaitable<Result<bool>> close(Whose whose) override;
  [[nodiscard]] asio::awaitable<Result<void>> finish() override;
  [[nodiscard]] asio::awaitable<Result<void>> remove(Whose whose) override;
  [[nodiscard]] int alarm() const override {
    return watch_ ? watch_->alarm() : -1;
  }
  [[nodiscard]] bool heed_alarm() override {
    return watch_ && watch_->heed_alarm();
  }

 private:
  [[nodiscard]] asio::awaitable<Result<IptablesNat>> look();

  const NatFamily& family_;
  std::vector<std::uint16_t> ports_;
  std::uint16_t listen_port_;
  std::string owner_;
  IptablesTool tool_;
  std::unique_ptr<ChangeWatch> watch_;
  std::optional<IptablesNat> seen_;  // by the last check(), which found it wanting
};

}  // namespace msi2imds::redirect
