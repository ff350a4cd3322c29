// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "confinement/privileges.hpp"

// What the supervisor may still do once it has started.
namespace msi2imds::supervisor {

using confinement::Capabilities;

// Of what is held at the start, what is still needed to repair, to reload, to start the next responder and to
// tell who calls. CAP_SYS_ADMIN is among it only where BPF takes it: without CAP_BPF and CAP_PERFMON, as
// before Linux 5.8.
[[nodiscard]] Capabilities needed_of(Capabilities held);

// Such as "CAP_NET_ADMIN" and "CAP_BPF", in the kernel's order.
[[nodiscard]] std::vector<std::string> names_of(Capabilities capabilities);

// From here on whoever's files are opened as they can be later: gives up what a process that starts as root
// has beyond their permissions, so that what will fail fails at the start.
[[nodiscard]] Result<void> give_up_others_files();

// Gives up, for this process and all that it will start, every capability that is not needed any more, and
// the ways to get one by executing a file. Returns what is left.
[[nodiscard]] Result<Capabilities> give_up_privileges();

}  // namespace msi2imds::supervisor
