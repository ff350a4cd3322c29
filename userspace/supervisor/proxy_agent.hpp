// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

#include "base/socket_address.hpp"

namespace msi2imds::supervisor {

// Where the guest proxy agent listens (Azure's metadata security protocol), if it runs. Its program on
// connect() leads whoever dials IMDS there, where it asks IMDS in his name, as root. `proc` is /proc.
[[nodiscard]] std::optional<SocketAddress> find_proxy_agent(const std::string& proc);

}  // namespace msi2imds::supervisor
