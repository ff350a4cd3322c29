// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "base/error.hpp"

namespace msi2imds::admin {

// The body of what a running msi2imds answers to GET `target` on its admin socket. Blocks for `timeout` at
// most.
[[nodiscard]] Result<std::string> get(const std::string& socket_path, const std::string& target,
                                      std::chrono::milliseconds timeout);

// The same for POST with a JSON body.
[[nodiscard]] Result<std::string> post(const std::string& socket_path, const std::string& target,
                                       const std::string& body, std::chrono::milliseconds timeout);

// The process that listens on the admin socket, as the kernel knows it.
[[nodiscard]] Result<pid_t> server_process(const std::string& socket_path);

}  // namespace msi2imds::admin
