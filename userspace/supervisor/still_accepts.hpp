// SPDX-License-Identifier: MIT
#pragma once

namespace msi2imds::supervisor {

// Whether clients who dial that listening socket, of TCP or unix, can still be accepted: not once somebody
// who holds it has shut it down.
[[nodiscard]] bool still_accepts(int socket);

}  // namespace msi2imds::supervisor
