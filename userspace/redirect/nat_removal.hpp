// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "redirect/nat_rules.hpp"
#include "redirect/open_connections.hpp"
#include "redirect/redirector.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {

// Removes the rules of a redirection that has ended. New connections are no longer redirected when it
// returns; what open connections need is removed once they have ended.
[[nodiscard]] asio::awaitable<Result<void>> remove_gently(std::vector<NatRules*> all, Whose whose,
                                                          const NatPorts& ports, Deadline deadline);

// What is left to do in a guard's process, which has nobody to report a failure to.
struct NatRemaining {
  std::vector<NatRules*> redirecting;
  std::vector<NatRules*> closing;
  NatPorts ports;
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
    const std::vector<NatLeftover>& leftovers, Removal removal, const NatPorts& ports, Deadline deadline);

}  // namespace msi2imds::redirect
