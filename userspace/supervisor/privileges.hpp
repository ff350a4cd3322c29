// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "confinement/privileges.hpp"

// What the supervisor may still do once it has started.
namespace msi2imds::supervisor {

using confinement::Capabilities;

// Which of the capabilities held at the start are still needed to repair, to reload, to start the next
// responder and to tell who calls. CAP_SYS_ADMIN is one of them only where BPF needs it: without CAP_BPF and
// CAP_PERFMON, as before Linux 5.8; and where containers are served in networks of their own, which nobody
// enters without it.
[[nodiscard]] Capabilities needed_of(Capabilities held, bool enters_networks = false);

// Such as "CAP_NET_ADMIN" and "CAP_BPF", in the kernel's order.
[[nodiscard]] std::vector<std::string> names_of(Capabilities capabilities);

// Gives up the capabilities by which root ignores the permissions of other users' files, so that what would
// fail later fails at the start.
[[nodiscard]] Result<void> give_up_others_files();

// Gives up, for this process and all that it will start, every capability that is not needed any more, and
// the ways to get one by executing a file. Returns what is left. What is only kept for `enters_networks` is
// for no other program.
[[nodiscard]] Result<Capabilities> give_up_privileges(bool enters_networks = false);

}  // namespace msi2imds::supervisor
