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

// Makes `table` redirect `ports` to `listen_port`, whatever it held before.
[[nodiscard]] std::string nft_table_text(const NatFamily& family, std::string_view table,
                                         const std::vector<std::uint16_t>& ports, std::uint16_t listen_port);

// The same for kernels that know only one NAT chain for each hook (4.14 to 4.17), where an old table cannot
// stand beside its successor: keeps the chains and replaces the rules.
[[nodiscard]] std::string nft_refill_text(const NatFamily& family, const std::vector<std::uint16_t>& ports,
                                          std::uint16_t listen_port);

// Removes our table, and leaves one that redirects nothing: a kernel with no NAT rule at all would no longer
// translate the connections that are under way.
[[nodiscard]] std::string nft_closing_text(const NatFamily& family);

// Removes `tables`, whether or not they exist.
[[nodiscard]] std::string nft_removal_text(const NatFamily& family,
                                           const std::vector<std::string_view>& tables);

// What our table lacks, according to `nft list table`. Nothing, if it is complete.
[[nodiscard]] std::optional<std::string> missing_in_nft_table(const NatFamily& family,
                                                              const std::vector<std::uint16_t>& ports,
                                                              std::uint16_t listen_port,
                                                              std::string_view listing);

// Those tables of a family in the answer to `nft list tables` that are ours: "nftables: table ip msi2imds".
[[nodiscard]] std::vector<std::string> our_nft_tables(const NatFamily& family, std::string_view listing);

}  // namespace msi2imds::redirect
