// SPDX-License-Identifier: MIT
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::netlink {

// A socket that becomes readable when a network device of this network namespace comes, goes or changes.
[[nodiscard]] Result<UniqueFd> open_link_events();

// Takes what waits in it, which says nothing more than that.
void take_link_events(int socket);

}  // namespace msi2imds::netlink
