// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "redirect/nat_rules.hpp"
#include "redirect/redirector.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {

// Removes the rules of a redirection that has ended. New connections are no longer redirected when it
// returns; what open connections need is removed once they have ended.
[[nodiscard]] asio::awaitable<Result<void>> remove_gently(std::vector<NatRules*> all, Whose whose,
                                                          std::uint16_t listen_port, Deadline deadline);

// What is left to do in a guard's process, which has nobody to report a failure to.
struct NatRemaining {
  std::vector<NatRules*> redirecting;
  std::vector<NatRules*> closing;
  std::uint16_t listen_port = 0;
};

// Does it. False: another tool is changing rules, and it is to be called again.
[[nodiscard]] asio::awaitable<bool> go_on_removing(NatRemaining& remaining);

// Rules that an earlier process has left, and what of them is there.
struct NatLeftover {
  std::unique_ptr<NatRules> rules;
  std::vector<std::string> names;
};

// Removes them; says what they were. Gently: not those by which another process serves.
[[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> remove(
    const std::vector<NatLeftover>& leftovers, Removal removal, std::uint16_t listen_port, Deadline deadline);

}  // namespace msi2imds::redirect
