// SPDX-License-Identifier: MIT
#pragma once

#include <linux/netfilter/nfnetlink.h>

#include <cstddef>
#include <cstdint>
#include <vector>

// What is written to netfilter, in bytes.
namespace msi2imds::netlink {

// Appends it, and fills up to where the next part begins.
void append(std::vector<std::byte>& message, const void* data, std::size_t size);

[[nodiscard]] std::vector<std::byte> attribute_of(int type, const void* value, std::size_t size);

// An attribute that consists of others.
[[nodiscard]] std::vector<std::byte> nest_of(int type, const std::vector<std::vector<std::byte>>& parts);

// A whole message, whose `parts` are attributes.
[[nodiscard]] std::vector<std::byte> message_of(std::uint16_t type, int flags, const nfgenmsg& body,
                                                const std::vector<std::vector<std::byte>>& parts);

}  // namespace msi2imds::netlink
