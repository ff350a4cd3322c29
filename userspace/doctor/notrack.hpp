// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Rules that keep loopback connections from being tracked, without which nftables and iptables cannot
// redirect them. `backend`: which one is taken, empty for none that works.
[[nodiscard]] Findings check_notrack(const Host& host, const std::string& backend);

// Whether one rule, as nft or iptables prints it, does so for connections to one of the ports.
[[nodiscard]] bool untracks_loopback(std::string_view rule, const std::vector<std::uint16_t>& ports);

}  // namespace msi2imds::doctor
