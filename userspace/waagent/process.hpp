// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/socket_address.hpp"

namespace msi2imds::waagent {

inline constexpr std::string_view kProcessName = "msi-extension";
inline constexpr std::string_view kUnitName = "azuremsixtn.service";

// The running extension. Anybody may call a process by that name: only root's processes and sockets count.
struct ExtensionProcess {
  pid_t pid = 0;
  std::string unit;                    // empty: none
  std::vector<SocketAddress> listens;  // in this network namespace
};

// Those in this network namespace; `proc` is /proc, or a tree like it.
[[nodiscard]] std::vector<ExtensionProcess> find_processes(const std::string& proc);

}  // namespace msi2imds::waagent
