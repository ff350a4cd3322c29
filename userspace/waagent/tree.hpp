// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

// Reads the agent's directory tree: no link is followed out of it, and no FIFO makes us wait.
namespace msi2imds::waagent {

// No link is followed; `flags` are open()'s. Nothing, with errno, if there is no such entry.
[[nodiscard]] UniqueFd open_below(const UniqueFd& directory, const std::string& name, int flags);

// The whole of a regular file; one of more than `max_size` bytes is an error, and so is a link or a pipe.
[[nodiscard]] Result<std::string> read_below(const UniqueFd& directory, const std::string& name,
                                             std::size_t max_size);

// The names in a directory, in no order.
[[nodiscard]] std::vector<std::string> names_in(const UniqueFd& directory);

}  // namespace msi2imds::waagent
