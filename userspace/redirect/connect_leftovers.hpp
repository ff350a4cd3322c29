// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "redirect/redirector.hpp"

// What the connect programs leave in the kernel when their process ends: pins, and programs without a link.
namespace msi2imds::redirect {

// Where this network namespace's links are pinned: a directory and what the names begin with. Empty: not to
// be pinned.
[[nodiscard]] std::string connect_pins_of(const Plan& plan);

// Where the memory of what clients have dialled is pinned, beside them.
[[nodiscard]] std::string pinned_memory(const std::string& pins);

// Removes that memory, unless a link is pinned: a successor may still use it then.
void forget_pinned_memory(const std::string& pins);

// Detaches programs without a link that earlier processes have left on any cgroup, but those in `kept`; says
// what they were.
[[nodiscard]] std::vector<std::string> detach_connect_leftovers(const std::vector<std::uint32_t>& kept);

// Removes all pins of this network namespace but those in `kept`; says what they were.
[[nodiscard]] Result<std::vector<std::string>> unpin_connect_leftovers(const std::vector<std::string>& kept,
                                                                       const Plan& plan);

}  // namespace msi2imds::redirect
