// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::responder {

// What the supervisor has put into a pipe or file before it sent the descriptor; `what` names it in errors.
// More than `max_size` bytes are an error.
[[nodiscard]] Result<std::string> read_all(const UniqueFd& file, const char* what, std::size_t max_size);

}  // namespace msi2imds::responder
