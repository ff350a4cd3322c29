// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace msi2imds::supervisor {

// Beside so many connections: how many more of users with few connections are served, and how many may wait.
[[nodiscard]] std::size_t spare_connections(std::size_t connections);

// Raises RLIMIT_NOFILE so that a responder can hold that many connections, and `listeners` in containers.
// Logs when it cannot.
void raise_descriptor_limit(std::size_t connections, std::size_t listeners);

// Allows as many as the largest responder.max_connections takes, to this process once it has given up the
// privilege to say so, and to every responder from its start: so a reload can raise what is used.
void allow_most_descriptors();

// As many as this process may have, without privileges; for the responder, which limits itself by
// connections_within_limit().
void use_whole_descriptor_limit();

// How many connections the limit of this process leaves room for.
[[nodiscard]] std::size_t connections_within_limit();

}  // namespace msi2imds::supervisor
