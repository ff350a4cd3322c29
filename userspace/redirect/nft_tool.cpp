// SPDX-License-Identifier: MIT
#include "redirect/nft_tool.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "redirect/errors.hpp"
#include "redirect/nft_text.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {
namespace {

asio::awaitable<bool> is_one_there(CommandRunner& runner, std::string_view family,
                                   const std::vector<std::string_view>& tables) {
  std::vector<std::string> arguments = {"list", "tables"};
  const Result<std::string> listing = co_await run_tool(runner, "nft", std::move(arguments));
  if (!listing) {
    co_return true;  // unknown: the removal is tried
  }
  const std::vector<std::string_view> lines = lines_of(*listing);
  co_return std::any_of(tables.begin(), tables.end(), [&](std::string_view table) {
    return std::find(lines.begin(), lines.end(), fmt::format("table {} {}", family, table)) != lines.end();
  });
}

}  // namespace

asio::awaitable<Result<void>> run_nft(CommandRunner& runner, std::string text) {
  // Not "-f -", which old versions do not know.
  std::vector<std::string> arguments = {"-f", "/dev/stdin"};
  const Result<std::string> done = co_await run_tool(runner, "nft", std::move(arguments), std::move(text));
  co_return done ? Result<void>() : done.error();
}

asio::awaitable<Result<std::string>> list_nft_table(CommandRunner& runner, std::string_view family,
                                                    std::string_view table) {
  std::vector<std::string> arguments = {"-nnn", "list", "table", std::string(family), std::string(table)};
  co_return co_await run_tool(runner, "nft", std::move(arguments));
}

asio::awaitable<Result<std::vector<std::string>>> owners_of_nft_table(CommandRunner& runner,
                                                                      std::string_view family,
                                                                      std::string_view table) {
  const Result<std::string> listing = co_await list_nft_table(runner, family, table);
  if (!listing && listing.error().code() != Errc::no_nat) {
    co_return listing.error();
  }
  co_return listing ? nft_owners(*listing) : std::vector<std::string>();
}

asio::awaitable<Result<bool>> run_nft_if_owned(CommandRunner& runner, std::string_view family,
                                               std::string_view table, std::string owner, std::string text) {
  const std::string whole = nft_condition_text(family, table, owner) + std::move(text);
  Result<void> done;
  for (int attempt = 0; attempt < kNftAttempts; ++attempt) {
    done = co_await run_nft(runner, whole);
    if (done || done.error().code() != Errc::no_nat) {
      break;
    }
    const Result<std::vector<std::string>> owners = co_await owners_of_nft_table(runner, family, table);
    if (!owners) {
      co_return owners.error();
    }
    if (std::find(owners->begin(), owners->end(), owner) == owners->end()) {
      co_return false;
    }
  }
  co_return done ? Result<bool>(true) : done.error();
}

// nft fails where somebody else has just removed what it read before.
asio::awaitable<Result<void>> remove_nft_tables(CommandRunner& runner, std::string_view family,
                                                std::vector<std::string_view> tables) {
  const std::string text = nft_removal_text(family, tables);
  Result<void> removed;
  for (int attempt = 0; attempt < kNftAttempts; ++attempt) {
    removed = co_await run_nft(runner, text);
    if (removed || removed.error().code() != Errc::no_nat) {
      break;
    }
    const bool is_left = co_await is_one_there(runner, family, tables);
    if (!is_left) {
      co_return Result<void>();
    }
  }
  co_return removed;
}

}  // namespace msi2imds::redirect
