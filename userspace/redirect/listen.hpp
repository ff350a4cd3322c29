// SPDX-License-Identifier: MIT
#pragma once

#include "redirect/redirector.hpp"

namespace msi2imds::redirect {

// The last resort: no redirection, our listeners are on the legacy ports themselves. Addresses of 127.0.0.0/8
// other than 127.0.0.1 are not covered.
class ListenRedirector final : public Redirector {
 public:
  [[nodiscard]] std::string_view name() const override {
    return "listen";
  }
  [[nodiscard]] bool keeps_port() const override {
    return true;
  }
  [[nodiscard]] asio::awaitable<Result<void>> probe(const Plan& plan) const override;
  [[nodiscard]] std::vector<SocketAddress> listen_addresses(const Plan& plan) const override;
  [[nodiscard]] asio::awaitable<Result<std::unique_ptr<Redirection>>> install(
      const Plan& plan, const std::vector<Listener>& listeners) const override;
};

}  // namespace msi2imds::redirect
