// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.hpp"
#include "base/command.hpp"

// Firewall rules of others that change what our redirection means, or that lose their meaning by it. Sets and
// variables that have a name are not looked into.
namespace msi2imds::redirect {

using Ports = std::vector<std::uint16_t>;

// The rules that connections over the loopback may meet before they arrive, but for ours, as nft and iptables
// print them; of NAT those alone that lead connections elsewhere. Leaves out what it may not read.
[[nodiscard]] asio::awaitable<std::vector<std::string>> foreign_rules(CommandRunner& runner,
                                                                      std::string proc = "/proc");

// Whether a rule exempts connections to one of the ports from tracking, without which NAT cannot redirect
// them.
[[nodiscard]] bool untracks_loopback(std::string_view rule, const Ports& ports);

// Whether a rule names one of the ports and keeps somebody from it.
[[nodiscard]] bool filters_loopback(std::string_view rule, const Ports& ports);

// Whether a rule leads connections to one of the ports elsewhere, by NAT.
[[nodiscard]] bool leads_loopback_elsewhere(std::string_view rule, const Ports& ports);

// The first of which that is true; empty: there is none.
[[nodiscard]] std::string first_of(const std::vector<std::string>& rules,
                                   bool (*concerns)(std::string_view, const Ports&), const Ports& ports);

}  // namespace msi2imds::redirect
