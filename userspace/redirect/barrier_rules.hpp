// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "redirect/barrier.hpp"
#include "redirect/owner.hpp"

namespace msi2imds::redirect {

// The address without its port, as firewalls write it.
[[nodiscard]] std::string host_of(const SocketAddress& address);

// The rules of a barrier as one of the host's tools keeps them. They have one name, whatever they close, and
// carry the mark of the object that put them. While another tool is changing rules, an operation fails with
// Errc::locked.
class BarrierRules {
 public:
  BarrierRules() = default;
  BarrierRules(const BarrierRules&) = delete;
  BarrierRules& operator=(const BarrierRules&) = delete;
  virtual ~BarrierRules() = default;

  // A string literal: "nftables", "iptables".
  [[nodiscard]] virtual std::string_view name() const = 0;

  // Puts the rules in place, atomically, and replaces whatever exists under our name, whoever put it.
  [[nodiscard]] virtual asio::awaitable<Result<void>> put(const BarrierPlan& plan) = 0;

  // Whether they are as the tool showed them after put(). Cheap while nothing changes.
  [[nodiscard]] virtual asio::awaitable<Result<void>> check() = 0;

  // Removes all rules of `whose`; succeeds if there are none.
  [[nodiscard]] virtual asio::awaitable<Result<void>> remove(Whose whose) = 0;

  // What of ours is there; one phrase each.
  [[nodiscard]] virtual asio::awaitable<Result<std::vector<std::string>>> find() const = 0;
};

}  // namespace msi2imds::redirect
