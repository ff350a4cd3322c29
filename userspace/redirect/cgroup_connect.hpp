// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include "loader/cgroup_attachment.hpp"
#include "redirect/connect_programs.hpp"
#include "redirect/redirector.hpp"

namespace msi2imds::redirect {

// cgroup/connect4 and connect6 programs rewrite the destination of a client's connect() to our listener
// (Linux 5.0, RHEL 8.1); getpeername shows what it dialled (5.8). Can be limited to chosen cgroups.
class CgroupConnectRedirector final : public Redirector {
 public:
  // What to use, instead of the best that this kernel can do.
  struct Forced {
    std::optional<ConnectVariant> variant;
    loader::AttachMethod method = loader::AttachMethod::link;
  };
  CgroupConnectRedirector() = default;
  explicit CgroupConnectRedirector(const Forced& forced) : forced_(forced) {}

  [[nodiscard]] std::string_view name() const override {
    return "cgroup_connect";
  }
  [[nodiscard]] asio::awaitable<Result<void>> probe(const Plan& plan) const override;
  [[nodiscard]] std::vector<SocketAddress> listen_addresses(const Plan& plan) const override;
  [[nodiscard]] asio::awaitable<Result<std::unique_ptr<Redirection>>> install(
      const Plan& plan, const std::vector<Listener>& listeners) const override;
  [[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> remove_leftovers(
      const Plan& plan, Removal removal) const override;

 private:
  [[nodiscard]] Result<ConnectPrograms> load_best(const Plan& plan) const;

  Forced forced_;
};

}  // namespace msi2imds::redirect
