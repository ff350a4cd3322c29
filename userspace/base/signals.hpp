// SPDX-License-Identifier: MIT
#pragma once

namespace msi2imds {

// Leaves this process, and what it executes, to SIGKILL and to its own faults alone. For everything that
// works for the supervisor: a service manager or a terminal may signal all processes of the service at once,
// and what that means is for the supervisor to decide, who tells the others by other ways. SIGCHLD keeps its
// default, since ignoring it takes away how children ended.
void ignore_signals();

}  // namespace msi2imds
