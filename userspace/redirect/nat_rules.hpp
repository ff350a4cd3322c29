// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "redirect/nat_family.hpp"

namespace msi2imds::redirect {

// Our NAT rules of one family, as one of the host's tools keeps them. While another tool is changing rules,
// an operation may be repeated for about two seconds.
class NatRules {
 public:
  NatRules() = default;
  NatRules(const NatRules&) = delete;
  NatRules& operator=(const NatRules&) = delete;
  virtual ~NatRules() = default;

  // Puts the rules in place, atomically, and replaces whatever exists under our name.
  [[nodiscard]] virtual asio::awaitable<Result<void>> put() = 0;

  // Whether they are complete. Cheap while nothing changes.
  [[nodiscard]] virtual asio::awaitable<Result<void>> check() = 0;

  // Removes them, in one step, and leaves what the kernel needs to go on translating connections that are
  // under way, but takes no new ones.
  [[nodiscard]] virtual asio::awaitable<Result<void>> close() = 0;

  // Removes what close() left.
  [[nodiscard]] virtual asio::awaitable<Result<void>> finish() = 0;

  // Removes everything that is ours; succeeds if there is nothing.
  [[nodiscard]] virtual asio::awaitable<Result<void>> remove() = 0;
};

}  // namespace msi2imds::redirect
