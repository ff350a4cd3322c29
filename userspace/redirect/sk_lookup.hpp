// SPDX-License-Identifier: MIT
#pragma once

#include "redirect/redirector.hpp"

namespace msi2imds::redirect {

// BPF_PROG_TYPE_SK_LOOKUP on this network namespace (Linux 5.9, RHEL 8.7): the kernel hands new connections
// to loopback addresses and legacy ports to our listeners; the client's socket stays connected to what it
// dialled.
class SkLookupRedirector final : public Redirector {
 public:
  [[nodiscard]] std::string_view name() const override {
    return "sk_lookup";
  }
  [[nodiscard]] bool keeps_port() const override {
    return true;
  }
  [[nodiscard]] asio::awaitable<Result<void>> probe(const Plan& plan) const override;
  [[nodiscard]] std::vector<SocketAddress> listen_addresses(const Plan& plan) const override;
  [[nodiscard]] asio::awaitable<Result<std::unique_ptr<Redirection>>> install(
      const Plan& plan, const std::vector<Listener>& listeners) const override;
  [[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> remove_leftovers(
      const Plan& plan, Removal removal) const override;
};

}  // namespace msi2imds::redirect
