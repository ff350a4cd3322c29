// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "redirect/nat_family.hpp"
#include "redirect/owner.hpp"

namespace msi2imds::redirect {

// Our NAT rules of one family, as one of the host's tools keeps them. They carry the mark of the object that
// put them. While another tool is changing rules, an operation may be repeated for about two seconds.
class NatRules {
 public:
  NatRules() = default;
  NatRules(const NatRules&) = delete;
  NatRules& operator=(const NatRules&) = delete;
  virtual ~NatRules() = default;

  // Puts the rules in place, atomically, and replaces whatever exists under our names, whoever put it.
  [[nodiscard]] virtual asio::awaitable<Result<void>> put() = 0;

  // Whether they are complete, and still ours. Cheap while nothing changes.
  [[nodiscard]] virtual asio::awaitable<Result<void>> check() = 0;

  // To which port the rules under our names lead that are not ours; nothing, where there are none.
  [[nodiscard]] virtual asio::awaitable<Result<std::optional<std::uint16_t>>> port_of_others() = 0;

  // Removes them, in one step, and leaves what the kernel needs to go on translating connections that are
  // under way, but takes no new ones. False: `whose` has no rules, and nothing was done.
  [[nodiscard]] virtual asio::awaitable<Result<bool>> close(Whose whose) = 0;

  // Removes what our close() left, unless somebody else has closed or put rules since then.
  [[nodiscard]] virtual asio::awaitable<Result<void>> finish() = 0;

  // Removes all rules of `whose`; succeeds if there are none.
  [[nodiscard]] virtual asio::awaitable<Result<void>> remove(Whose whose) = 0;

  // As a ChangeWatch has it: readable when somebody changes rules.
  [[nodiscard]] virtual int alarm() const {
    return -1;
  }
  [[nodiscard]] virtual bool heed_alarm() {
    return false;
  }
};

}  // namespace msi2imds::redirect
