// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::redirect {

// Finds out whether a NAT rule works. Kernels before 4.18 accept rules that have no effect, for instance when
// nftables and iptables both want to do NAT.
class TrialConnection {
 public:
  static Result<TrialConnection> prepare();

  // A port that nobody else uses meanwhile, to be redirected to the other one.
  [[nodiscard]] std::uint16_t port() const {
    return dialled_.port();
  }
  [[nodiscard]] std::uint16_t listen_port() const {
    return listening_.port();
  }

  // Dials port() on 127.0.0.1 and succeeds when the connection arrives at listen_port().
  [[nodiscard]] asio::awaitable<Result<void>> connect() const;

 private:
  TrialConnection() = default;

  UniqueFd holder_;  // of port(), on which nobody listens
  UniqueFd listener_;
  SocketAddress dialled_;
  SocketAddress listening_;
};

}  // namespace msi2imds::redirect
