// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::netlink {

// The kernel goes on translating the connections of its NAT, IPv4 and IPv6, until the handle is closed, even
// if somebody else removes all rules ("nft flush ruleset"). Makes a table of nftables with this name, which
// only the handle's owner can remove, and which goes with it. Fails before Linux 5.12.
[[nodiscard]] Result<UniqueFd> keep_nat(const std::string& table);

}  // namespace msi2imds::netlink
