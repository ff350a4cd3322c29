// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "base/asio.hpp"

namespace msi2imds {

// Waits for the end of a child process, which is collected then; returns its status (wait(2)), or nothing
// when it still runs after `patience`. If somebody else has collected it, the status is exit status 255.
asio::awaitable<std::optional<int>> wait_for_child(pid_t pid, std::chrono::milliseconds patience);

// "exit status 1", "signal 9".
[[nodiscard]] std::string describe_end(int status);

}  // namespace msi2imds
