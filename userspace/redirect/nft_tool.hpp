// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/asio.hpp"
#include "base/command.hpp"
#include "base/error.hpp"

// Tables of nftables, read and changed with nft. `family` is "ip" or "ip6".
namespace msi2imds::redirect {

// Does what `text` says, in one transaction.
[[nodiscard]] asio::awaitable<Result<void>> run_nft(CommandRunner& runner, std::string text);

// The same, if the table carries that owner's mark. False: it does not, and nothing was done.
[[nodiscard]] asio::awaitable<Result<bool>> run_nft_if_owned(CommandRunner& runner, std::string_view family,
                                                             std::string_view table, std::string owner,
                                                             std::string text);

// Removes these tables, whoever put them, and whether or not they are there. Others may be removing them,
// too.
[[nodiscard]] asio::awaitable<Result<void>> remove_nft_tables(CommandRunner& runner, std::string_view family,
                                                              std::vector<std::string_view> tables);

[[nodiscard]] asio::awaitable<Result<std::string>> list_nft_table(CommandRunner& runner,
                                                                  std::string_view family,
                                                                  std::string_view table);

// Whose marks it carries; nobody's, if there is no such table.
[[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> owners_of_nft_table(CommandRunner& runner,
                                                                                    std::string_view family,
                                                                                    std::string_view table);

// How often something is tried where others change tables between what nft reads and what it writes.
inline constexpr int kNftAttempts = 5;

}  // namespace msi2imds::redirect
