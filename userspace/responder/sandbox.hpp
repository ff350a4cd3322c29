// SPDX-License-Identifier: MIT
#pragma once

#include "base/error.hpp"

namespace msi2imds::responder {

// From here on this process can read, write, accept and wait, and little else: it cannot open files, make
// sockets, connect, start programs or map memory as code (those system calls fail with EPERM). Fails where
// the kernel has no seccomp filters.
[[nodiscard]] Result<void> enter_sandbox();

}  // namespace msi2imds::responder
