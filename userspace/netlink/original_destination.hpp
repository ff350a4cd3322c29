// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include "base/error.hpp"
#include "base/socket_address.hpp"

namespace msi2imds::netlink {

// What the client of an accepted socket dialled before NAT led it here. Fails with ENOENT when no NAT did.
[[nodiscard]] Result<SocketAddress> original_destination(int socket);

// Whether the kernel tracks the connection of a client's socket; nothing, where it tracks none at all.
[[nodiscard]] std::optional<bool> is_tracked(int socket);

}  // namespace msi2imds::netlink
