// SPDX-License-Identifier: MIT
#pragma once

#include "caller/clues.hpp"

namespace msi2imds::supervisor {

// Makes the clues those of the client's own socket where NAT led the client to us: the responder has looked
// for it by the port that its own socket shows, which may be another client's. Nobody's, where the kernel no
// longer knows. False: they were another's, or nobody's, and so is whatever was concluded from them.
[[nodiscard]] bool find_translated_client(caller::Clues& clues);

}  // namespace msi2imds::supervisor
