// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.hpp"

// The kernel's memory of connections, which NAT rules make it keep.
namespace msi2imds::netlink {

// Makes the kernel forget connections on the loopback to or from these ports that it tracks without
// translating them: it would not look at NAT rules when a client's port is used again. Those that are alive
// go on, and may be tracked anew. Returns how many there were. Needs CAP_NET_ADMIN.
[[nodiscard]] Result<std::size_t> forget_untranslated(const std::vector<std::uint16_t>& ports);

// Tells the kernel of connections on the loopback to that port, as their clients' ends are now, so that it
// gives their addresses to no connection that it translates to that port. Returns how many it did not know.
// Needs CAP_NET_ADMIN.
[[nodiscard]] Result<std::size_t> make_known(std::uint16_t port);

// The request that makes the kernel forget the connection that a message of a listing, which must be aligned
// like a nlmsghdr, tells of; empty, if that is none of these.
[[nodiscard]] std::vector<std::byte> request_to_forget(std::span<const std::byte> message,
                                                       const std::vector<std::uint16_t>& ports);

}  // namespace msi2imds::netlink
