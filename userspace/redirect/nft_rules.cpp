// SPDX-License-Identifier: MIT
#include "redirect/nft_rules.hpp"

#include <fmt/core.h>

#include <utility>

#include "redirect/errors.hpp"
#include "redirect/nft_text.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {

Result<void> run_nft(CommandRunner& runner, std::string_view text) {
  // Not "-f -", which old versions do not know.
  const Result<std::string> done = run_tool(runner, "nft", {"-f", "/dev/stdin"}, text);
  if (!done) {
    return done.error();
  }
  return {};
}

NftRules::NftRules(const NatFamily& family, std::vector<std::uint16_t> ports, std::uint16_t listen_port,
                   std::shared_ptr<CommandRunner> runner, std::unique_ptr<ChangeWatch> watch)
    : family_(family),
      ports_(std::move(ports)),
      listen_port_(listen_port),
      runner_(std::move(runner)),
      watch_(std::move(watch)) {}

Result<void> NftRules::put() {
  Result<void> put = run_nft(*runner_, nft_table_text(family_, kNftTable, ports_, listen_port_));
  if (!put && put.error().code() == Errc::in_use) {
    return run_nft(*runner_, nft_refill_text(family_, ports_, listen_port_));
  }
  return put;
}

Result<void> NftRules::check() {
  if (!watch_->needs_look()) {
    return {};
  }
  const std::string context = fmt::format("check table {} {}", family_.nft_name, kNftTable);
  const Result<std::string> listing = run_tool(
      *runner_, "nft", {"-nnn", "list", "table", std::string(family_.nft_name), std::string(kNftTable)});
  if (!listing) {
    return listing.error().code() == Errc::no_nat ? Error(Errc::incomplete, context + " (it is missing)")
                                                  : listing.error().within(context);
  }
  const auto missing = missing_in_nft_table(family_, ports_, listen_port_, *listing);
  if (missing) {
    return Error(Errc::incomplete, context + " (" + *missing + ")");
  }
  watch_->confirm();
  return {};
}

Result<void> NftRules::close() {
  return run_nft(*runner_, nft_closing_text(family_));
}

Result<void> NftRules::finish() {
  return run_nft(*runner_, nft_removal_text(family_, {kNftClosingTable}));
}

Result<void> NftRules::remove() {
  return run_nft(*runner_, nft_removal_text(family_, {kNftTable, kNftClosingTable, kNftProbeTable}));
}

}  // namespace msi2imds::redirect
