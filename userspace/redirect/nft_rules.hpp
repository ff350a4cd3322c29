// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/command.hpp"
#include "redirect/change_watch.hpp"
#include "redirect/nat_rules.hpp"

namespace msi2imds::redirect {

// A table of our own, put there with nft.
class NftRules final : public NatRules {
 public:
  NftRules(const NatFamily& family, std::vector<std::uint16_t> ports, std::uint16_t listen_port,
           std::string owner, std::shared_ptr<CommandRunner> runner, std::unique_ptr<ChangeWatch> watch);

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
  [[nodiscard]] asio::awaitable<Result<std::string>> list();
  [[nodiscard]] asio::awaitable<Result<void>> refill() const;
  [[nodiscard]] asio::awaitable<Result<bool>> run_if_ours(std::string_view table, std::string text) const;

  const NatFamily& family_;
  std::vector<std::uint16_t> ports_;
  std::uint16_t listen_port_;
  std::string owner_;
  std::shared_ptr<CommandRunner> runner_;
  std::unique_ptr<ChangeWatch> watch_;
  std::optional<Result<std::string>> seen_;  // by the last check(), which found it wanting
};

}  // namespace msi2imds::redirect
