// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <initializer_list>

#include "base/error.hpp"

namespace msi2imds::confinement {

// Nothing that this process executes gets what it has not itself.
[[nodiscard]] Result<void> forbid_new_privileges();

// Takes all capabilities but `kept` (CAP_...) out of the bounding set, as far as that is permitted: what is
// executed cannot have them.
void bound_capabilities(std::initializer_list<int> kept);

// Gives up all capabilities but `kept`, of those that this process has.
[[nodiscard]] Result<void> keep_only_capabilities(std::initializer_list<int> kept);

// Becomes that user, with no other group than `gid`, and `kept` of the capabilities that it has; leaves root
// for good.
[[nodiscard]] Result<void> become_user(uid_t uid, gid_t gid, std::initializer_list<int> kept = {});

}  // namespace msi2imds::confinement
