// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redirect/nat_family.hpp"

// What nft is told and what it answers. Each text is one transaction.
namespace msi2imds::redirect {

inline constexpr std::string_view kNftTable = "msi2imds";
inline constexpr std::string_view kNftClosingTable = "msi2imds_closing";
inline constexpr std::string_view kNftProbeTable = "msi2imds_probe";

// Makes our table redirect `ports` to `listen_port`, whatever it held before, and carry the owner's mark, an
// empty chain. Removes what somebody was closing.
[[nodiscard]] std::string nft_table_text(const NatFamily& family, const std::vector<std::uint16_t>& ports,
                                         std::uint16_t listen_port, std::string_view owner);

// Redirects `port` to `listen_port` by a table that exists for a moment only.
[[nodiscard]] std::string nft_probe_text(const NatFamily& family, std::uint16_t port,
                                         std::uint16_t listen_port);

// The same for kernels that know only one NAT chain for each hook (4.14 to 4.17), where an old table cannot
// stand beside its successor: keeps the chains and replaces the rules, and the mark of the owner before.
[[nodiscard]] std::string nft_refill_text(const NatFamily& family, const std::vector<std::uint16_t>& ports,
                                          std::uint16_t listen_port, std::string_view owner,
                                          const std::vector<std::string>& owners_before);

// Removes our table, and leaves one that redirects nothing: a kernel with no NAT rule at all would no longer
// translate the connections that are under way. That one carries the owner's mark.
[[nodiscard]] std::string nft_closing_text(const NatFamily& family, std::string_view owner);

// Does nothing where `table` carries the owner's mark, and otherwise fails, with what follows in the same
// text.
[[nodiscard]] std::string nft_condition_text(std::string_view family, std::string_view table,
                                             std::string_view owner);

// That mark, to stand in the text of a table.
[[nodiscard]] std::string nft_mark_text(std::string_view owner);

// Removes `tables`, whether or not they exist.
[[nodiscard]] std::string nft_removal_text(std::string_view family,
                                           const std::vector<std::string_view>& tables);

// To which port the rules of our table lead, according to `nft list table`. Nothing, where there are none.
[[nodiscard]] std::optional<std::uint16_t> port_of_nft_table(std::string_view listing);

// Whose marks a table carries, according to `nft list table`.
[[nodiscard]] std::vector<std::string> nft_owners(std::string_view listing);

// What our table lacks, according to `nft list table`. Nothing, if it is complete and carries our mark.
[[nodiscard]] std::optional<std::string> missing_in_nft_table(const NatFamily& family,
                                                              const std::vector<std::uint16_t>& ports,
                                                              std::uint16_t listen_port,
                                                              std::string_view owner,
                                                              std::string_view listing);

// Those tables of a family in the answer to `nft list tables` that are ours: "nftables: table ip msi2imds".
[[nodiscard]] std::vector<std::string> our_nft_tables(const NatFamily& family, std::string_view listing);

}  // namespace msi2imds::redirect
