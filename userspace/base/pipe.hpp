// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds {

struct Pipe {
  UniqueFd reader;
  UniqueFd writer;
};

// Both ends are closed in programs that are executed.
[[nodiscard]] Result<Pipe> make_pipe();

// A pipe's end to read from, which already holds all of `text`, so that nobody has to write while it is read.
// Fails with EMSGSIZE where a pipe cannot hold as much; 64 KiB it always can.
[[nodiscard]] Result<UniqueFd> pipe_with(std::string_view text);

}  // namespace msi2imds
