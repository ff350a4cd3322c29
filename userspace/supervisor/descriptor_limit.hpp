// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace msi2imds::supervisor {

// Raises RLIMIT_NOFILE so that a responder started from now on can hold that many connections; logs when it
// cannot.
void raise_descriptor_limit(std::size_t connections);

// How many connections the limit of this process leaves room for.
[[nodiscard]] std::size_t connections_within_limit();

}  // namespace msi2imds::supervisor
