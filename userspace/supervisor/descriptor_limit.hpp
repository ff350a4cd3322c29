// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace msi2imds::supervisor {

// How many connections may wait for a place beside so many that are served, and as many more are served of
// who has few.
[[nodiscard]] std::size_t spare_connections(std::size_t connections);

// Raises RLIMIT_NOFILE so that a responder can hold that many connections: one that is started from now on,
// and the one that runs (0: none does). Logs when it cannot.
void raise_descriptor_limit(std::size_t connections, pid_t responder);

// As many as this process may have, without privileges; for the responder, which limits itself by
// connections_within_limit().
void use_whole_descriptor_limit();

// How many connections the limit of this process leaves room for.
[[nodiscard]] std::size_t connections_within_limit();

}  // namespace msi2imds::supervisor
