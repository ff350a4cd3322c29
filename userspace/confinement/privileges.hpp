// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <initializer_list>

#include "base/error.hpp"

namespace msi2imds::confinement {

// A bit for each capability, by the kernel's number.
using Capabilities = std::uint64_t;

// Of CAP_...
[[nodiscard]] constexpr Capabilities set_of(std::initializer_list<int> numbers) {
  Capabilities set = 0;
  for (const int number : numbers) {
    set |= Capabilities{1} << static_cast<unsigned>(number);
  }
  return set;
}

// The highest number is one less.
constexpr int kMostCapabilities = 64;

// What this process may use, or take up.
[[nodiscard]] Result<Capabilities> permitted_capabilities();

// Nothing that this process executes gets what it has not itself.
[[nodiscard]] Result<void> forbid_new_privileges();

// Takes all capabilities but `kept` out of the bounding set, as far as that is permitted: what is
// executed cannot have them.
void bound_capabilities(Capabilities kept);

// Gives up all capabilities but `kept`, of those that this process has.
[[nodiscard]] Result<void> keep_only_capabilities(Capabilities kept);

// Becomes that user, with no other group than `gid`, and `kept` of the capabilities that it has; leaves root
// for good.
[[nodiscard]] Result<void> become_user(uid_t uid, gid_t gid, Capabilities kept = 0);

}  // namespace msi2imds::confinement
