// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redirect/nat_family.hpp"

// What iptables-restore is told, and what iptables answers. Each text is one transaction on the nat table.
namespace msi2imds::redirect {

// The chain whose rules redirect, to which OUTPUT leads.
inline constexpr std::string_view kIptablesChain = "MSI2IMDS";

// What is ours in a nat table.
struct IptablesNat {
  std::vector<std::string> chains;
  std::vector<std::string> marks;  // empty chains that tell whose a chain is: MSI2IMDS_0123abcd
  std::vector<std::string> jumps;  // from OUTPUT to our chain, as in "-A OUTPUT -j MSI2IMDS"
  bool jump_is_first = false;
  std::vector<std::string> rules;  // of our chain
};

// Reads the output of `iptables -t nat -S` or of `iptables-save -t nat`.
[[nodiscard]] IptablesNat read_iptables(std::string_view listing);

// What of it carries this owner's mark.
[[nodiscard]] IptablesNat owned_by(std::string_view owner, const IptablesNat& found);

// To which port our rules there lead. Nothing, where there are none.
[[nodiscard]] std::optional<std::uint16_t> port_of_iptables(const IptablesNat& found);

// Whether there is our chain itself, and not only what was closed.
[[nodiscard]] bool has_redirecting_chain(const IptablesNat& found);

// Makes our chain redirect `ports` to `listen_port` and OUTPUT jump to it, once and before all else. The
// chain carries the owner's mark and no other. Removes what somebody was closing.
[[nodiscard]] std::string iptables_text(const NatFamily& family, const std::vector<std::uint16_t>& ports,
                                        std::uint16_t listen_port, std::string_view owner,
                                        const IptablesNat& found);

// Removes our chain, and leaves one to which nobody jumps: a kernel with no NAT rule at all would no longer
// translate the connections that are under way. That one carries the owner's mark. Like those that follow,
// this text removes the marks that were found first, so that it fails, and changes nothing, where somebody
// else has put his own since then.
[[nodiscard]] std::string iptables_closing_text(const NatFamily& family, std::string_view owner,
                                                const IptablesNat& found);

// Removes what that left. Empty, where there is nothing to do.
[[nodiscard]] std::string iptables_finishing_text(const IptablesNat& found);

// Removes everything that was found. Empty, where there is nothing to do.
[[nodiscard]] std::string iptables_removal_text(const IptablesNat& found);

// Adds a rule where no connection passes, and removes it again.
[[nodiscard]] std::string iptables_probe_text(const NatFamily& family);
[[nodiscard]] std::string iptables_probe_removal_text();

// What is missing. Nothing, if all is there and carries our mark.
[[nodiscard]] std::optional<std::string> missing_in_iptables(const NatFamily& family,
                                                             const std::vector<std::uint16_t>& ports,
                                                             std::uint16_t listen_port,
                                                             std::string_view owner,
                                                             const IptablesNat& found);

}  // namespace msi2imds::redirect
