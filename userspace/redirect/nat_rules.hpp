// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "redirect/nat_family.hpp"

namespace msi2imds::redirect {

// Our rules in the NAT of one family, as one of the host's tools keeps them. Where somebody else is at work
// in them, each operation tries again for about two seconds.
class NatRules {
 public:
  NatRules() = default;
  NatRules(const NatRules&) = delete;
  NatRules& operator=(const NatRules&) = delete;
  virtual ~NatRules() = default;

  // Puts them in the place of whatever is there under our name, in one step.
  [[nodiscard]] virtual asio::awaitable<Result<void>> put() = 0;

  // Whether they are complete. Cheap while nothing changes.
  [[nodiscard]] virtual asio::awaitable<Result<void>> check() = 0;

  // Removes them, in one step, and leaves what the kernel needs to go on translating connections that are
  // under way, but takes no new ones.
  [[nodiscard]] virtual asio::awaitable<Result<void>> close() = 0;

  // Removes what close() left.
  [[nodiscard]] virtual asio::awaitable<Result<void>> finish() = 0;

  // Removes everything that is ours, be there something or not.
  [[nodiscard]] virtual asio::awaitable<Result<void>> remove() = 0;
};

}  // namespace msi2imds::redirect
