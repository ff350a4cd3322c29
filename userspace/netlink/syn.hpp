// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

#include "base/socket_address.hpp"

namespace msi2imds::netlink {

// What the packet said with which the client began its connection.
struct Syn {
  SocketAddress destination;  // the accepted socket's own address
  std::uint32_t first_sequence = 0;
};

// Once for each accepted socket, whose listener keeps SYNs (TCP_SAVE_SYN). Nothing where it was not kept, as
// in a flood of SYNs.
[[nodiscard]] std::optional<Syn> take_syn(int socket);

}  // namespace msi2imds::netlink
