// SPDX-License-Identifier: MIT
#include "redirect/nft_rules.hpp"

#include <fmt/core.h>

#include <utility>

#include "redirect/errors.hpp"
#include "redirect/nft_text.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {

asio::awaitable<Result<void>> run_nft(CommandRunner& runner, std::string text) {
  // Not "-f -", which old versions do not know.
  std::vector<std::string> arguments = {"-f", "/dev/stdin"};
  const Result<std::string> done = co_await run_tool(runner, "nft", std::move(arguments), std::move(text));
  co_return done ? Result<void>() : done.error();
}

NftRules::NftRules(const NatFamily& family, std::vector<std::uint16_t> ports, std::uint16_t listen_port,
                   std::shared_ptr<CommandRunner> runner, std::unique_ptr<ChangeWatch> watch)
    : family_(family),
      ports_(std::move(ports)),
      listen_port_(listen_port),
      runner_(std::move(runner)),
      watch_(std::move(watch)) {}

asio::awaitable<Result<void>> NftRules::put() {
  Result<void> put = co_await run_nft(*runner_, nft_table_text(family_, kNftTable, ports_, listen_port_));
  if (!put && put.error().code() == Errc::in_use) {
    put = co_await run_nft(*runner_, nft_refill_text(family_, ports_, listen_port_));
  }
  co_return put;
}

asio::awaitable<Result<void>> NftRules::check() {
  if (!watch_->needs_look()) {
    co_return Result<void>();
  }
  const std::string context = fmt::format("check table {} {}", family_.nft_name, kNftTable);
  std::vector<std::string> arguments = {"-nnn", "list", "table", std::string(family_.nft_name),
                                        std::string(kNftTable)};
  const Result<std::string> listing = co_await run_tool(*runner_, "nft", std::move(arguments));
  if (!listing) {
    co_return listing.error().code() == Errc::no_nat ? Error(Errc::incomplete, context + " (it is missing)")
                                                     : listing.error().within(context);
  }
  const auto missing = missing_in_nft_table(family_, ports_, listen_port_, *listing);
  if (missing) {
    co_return Error(Errc::incomplete, context + " (" + *missing + ")");
  }
  watch_->confirm();
  co_return Result<void>();
}

asio::awaitable<Result<void>> NftRules::close() {
  return run_nft(*runner_, nft_closing_text(family_));
}

asio::awaitable<Result<void>> NftRules::finish() {
  return run_nft(*runner_, nft_removal_text(family_, {kNftClosingTable}));
}

asio::awaitable<Result<void>> NftRules::remove() {
  return run_nft(*runner_, nft_removal_text(family_, {kNftTable, kNftClosingTable, kNftProbeTable}));
}

}  // namespace msi2imds::redirect
