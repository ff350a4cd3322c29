// SPDX-License-Identifier: MIT
#pragma once

#include <bitset>
#include <optional>
#include <string>
#include <string_view>

namespace msi2imds::supervisor {

// Which ports are in a list; element N stands for port N.
using PortSet = std::bitset<65536>;

// The form of net.ipv4.ip_local_reserved_ports: "1-5,8,50342", in any order, with or without a line's end.
// Nothing for any other text.
[[nodiscard]] std::optional<PortSet> parse_port_list(std::string_view text);

// The same form, sorted, neighbours joined to ranges; "" for no port.
[[nodiscard]] std::string to_port_list(const PortSet& ports);

}  // namespace msi2imds::supervisor
