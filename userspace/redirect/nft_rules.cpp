// SPDX-License-Identifier: MIT
#include "redirect/nft_rules.hpp"

#include <fmt/core.h>

#include <initializer_list>
#include <utility>

#include "redirect/errors.hpp"
#include "redirect/nft_text.hpp"
#include "redirect/nft_tool.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {
NftRules::NftRules(const NatFamily& family, std::vector<std::uint16_t> ports, std::uint16_t listen_port,
                   std::string owner, std::shared_ptr<CommandRunner> runner,
                   std::unique_ptr<ChangeWatch> watch)
    : family_(family),
      ports_(std::move(ports)),
      listen_port_(listen_port),
      owner_(std::move(owner)),
      runner_(std::move(runner)),
      watch_(std::move(watch)) {}

asio::awaitable<Result<void>> NftRules::put() {
  Result<void> put = co_await run_nft(*runner_, nft_table_text(family_, ports_, listen_port_, owner_));
  if (!put && put.error().code() == Errc::in_use) {
    co_return co_await refill();
  }
  co_return put;
}

asio::awaitable<Result<void>> NftRules::refill() const {
  Result<void> filled;
  for (int attempt = 0; attempt < kNftAttempts; ++attempt) {
    const Result<std::vector<std::string>> before =
        co_await owners_of_nft_table(*runner_, family_.nft_name, kNftTable);
    if (!before) {
      co_return before.error();
    }
    filled = co_await run_nft(*runner_, nft_refill_text(family_, ports_, listen_port_, owner_, *before));
    if (filled || filled.error().code() != Errc::no_nat) {
      break;
    }
  }
  co_return filled;
}

// A repair looks several times, and each look at what has not changed meanwhile keeps callers waiting.
asio::awaitable<Result<std::string>> NftRules::list() {
  if (seen_ && watch_ && watch_->is_as_seen()) {
    co_return *seen_;
  }
  seen_.reset();
  co_return co_await list_nft_table(*runner_, family_.nft_name, kNftTable);
}

asio::awaitable<Result<void>> NftRules::check() {
  const bool is_known = seen_ && watch_->is_as_seen();
  if (!watch_->needs_look()) {
    co_return Result<void>();
  }
  if (!is_known) {
    seen_.reset();
  }
  const std::string context = fmt::format("check table {} {}", family_.nft_name, kNftTable);
  const Result<std::string> listing = co_await list();
  if (listing || listing.error().code() == Errc::no_nat) {
    seen_ = listing;
  }
  if (!listing) {
    co_return listing.error().code() == Errc::no_nat ? Error(Errc::incomplete, context + " (it is missing)")
                                                     : listing.error().within(context);
  }
  const auto missing = missing_in_nft_table(family_, ports_, listen_port_, owner_, *listing);
  if (missing) {
    co_return Error(Errc::incomplete, context + " (" + *missing + ")");
  }
  watch_->confirm();
  seen_.reset();
  co_return Result<void>();
}

asio::awaitable<Result<std::optional<std::uint16_t>>> NftRules::port_of_others() {
  const Result<std::string> listing = co_await list();
  if (!listing) {
    co_return listing.error();
  }
  const bool is_ours = nft_owners(*listing) == std::vector{owner_};
  co_return is_ours ? std::nullopt : port_of_nft_table(*listing);
}

asio::awaitable<Result<bool>> NftRules::run_if_ours(std::string_view table, std::string text) const {
  return run_nft_if_owned(*runner_, family_.nft_name, table, owner_, std::move(text));
}

asio::awaitable<Result<bool>> NftRules::close(Whose whose) {
  std::string text = nft_closing_text(family_, owner_);
  if (whose == Whose::ours) {
    co_return co_await run_if_ours(kNftTable, std::move(text));
  }
  const Result<void> closed = co_await run_nft(*runner_, std::move(text));
  co_return closed ? Result<bool>(true) : closed.error();
}

asio::awaitable<Result<void>> NftRules::finish() {
  std::string text = nft_removal_text(family_.nft_name, {kNftClosingTable});
  const Result<bool> done = co_await run_if_ours(kNftClosingTable, std::move(text));
  co_return done ? Result<void>() : done.error();
}

asio::awaitable<Result<void>> NftRules::remove(Whose whose) {
  if (whose == Whose::anybodys) {
    std::vector<std::string_view> all = {kNftTable, kNftClosingTable, kNftProbeTable};
    co_return co_await remove_nft_tables(*runner_, family_.nft_name, std::move(all));
  }
  for (const std::string_view table : {kNftTable, kNftClosingTable}) {
    std::string text = nft_removal_text(family_.nft_name, {table});
    const Result<bool> removed = co_await run_if_ours(table, std::move(text));
    if (!removed) {
      co_return removed.error();
    }
  }
  co_return Result<void>();
}

}  // namespace msi2imds::redirect
