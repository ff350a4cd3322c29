// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/socket_address.hpp"
#include "waagent/process.hpp"

namespace msi2imds::migration {

// A connection that a client keeps open to the extension's own process: the end of that process cuts it.
struct Established {
  SocketAddress client;
  pid_t pid = 0;        // 0: not known
  std::string program;  // empty: not known
};

[[nodiscard]] Result<std::vector<Established>> connections_to_extension(
    const std::vector<waagent::ExtensionProcess>& processes);

}  // namespace msi2imds::migration
