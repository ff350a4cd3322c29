// SPDX-License-Identifier: MIT
#include "redirect/nft_barrier.hpp"

#include <fmt/core.h>
#include <sys/socket.h>

#include <initializer_list>
#include <utility>

#include "redirect/errors.hpp"
#include "redirect/nft_text.hpp"
#include "redirect/nft_tool.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {
namespace {

constexpr std::string_view kTable = "msi2imds_barrier";

std::string_view family_of(const BarrierPlan& plan) {
  return plan.closed.front().family() == AF_INET6 ? "ip6" : "ip";
}

}  // namespace

std::string nft_barrier_text(const BarrierPlan& plan, std::string_view owner) {
  const std::string_view family = family_of(plan);
  std::string text = nft_removal_text("ip", {kTable}) + nft_removal_text("ip6", {kTable});
  text += fmt::format("table {} {} {{\n\tchain users {{\n", family, kTable);
  for (const uid_t uid : plan.open_to) {
    text += fmt::format("\t\tmeta skuid {} return\n", uid);
  }
  text += "\t\treject with tcp reset\n\t}\n\tchain output {\n\t\ttype filter hook output priority 0;\n";
  for (const SocketAddress& closed : plan.closed) {
    text += fmt::format("\t\t{} daddr {} tcp dport {} tcp flags & (fin|syn|rst|ack) == syn jump users\n",
                        family, host_of(closed), closed.port());
  }
  return text + "\t}\n" + nft_mark_text(owner) + "}\n";
}

NftBarrier::NftBarrier(std::shared_ptr<CommandRunner> runner)
    : runner_(std::move(runner)), watch_(std::string(kTable)) {}

asio::awaitable<Result<std::string>> NftBarrier::listing() const {
  return list_nft_table(*runner_, family_, kTable);
}

asio::awaitable<Result<void>> NftBarrier::put(const BarrierPlan& plan) {
  const Result<void> put = co_await run_nft(*runner_, nft_barrier_text(plan, owner_));
  if (!put) {
    co_return put;
  }
  family_ = family_of(plan);
  (void)watch_.needs_look();  // what comes from here on is somebody else's doing
  const Result<std::string> shown = co_await listing();
  if (!shown) {
    co_return shown.error();
  }
  as_shown_ = *shown;
  co_return Result<void>();
}

// The versions of nft spell rules in several ways: it is compared with its own words.
asio::awaitable<Result<void>> NftBarrier::check() {
  if (!watch_.needs_look()) {
    co_return Result<void>();
  }
  const Result<std::string> shown = co_await listing();
  const std::string context = fmt::format("check table {} {}", family_, kTable);
  if (!shown) {
    co_return shown.error().code() == Errc::no_nat ? Error(Errc::incomplete, context + " (it is missing)")
                                                   : shown.error().within(context);
  }
  if (*shown != as_shown_) {
    co_return Error(Errc::incomplete, context + " (somebody has changed it)");
  }
  watch_.confirm();
  co_return Result<void>();
}

asio::awaitable<Result<void>> NftBarrier::remove(Whose whose) {
  Result<void> removed;
  for (const std::string_view family : {"ip", "ip6"}) {
    const Result<void> one = co_await remove_of(family, whose);
    removed = one ? removed : one;
  }
  co_return removed;
}

asio::awaitable<Result<void>> NftBarrier::remove_of(std::string_view family, Whose whose) const {
  std::vector<std::string_view> tables = {kTable};
  if (whose == Whose::anybodys) {
    co_return co_await remove_nft_tables(*runner_, family, std::move(tables));
  }
  const Result<bool> removed =
      co_await run_nft_if_owned(*runner_, family, kTable, owner_, nft_removal_text(family, tables));
  co_return removed ? Result<void>() : removed.error();
}

asio::awaitable<Result<std::vector<std::string>>> NftBarrier::find() const {
  std::vector<std::string> arguments = {"list", "tables"};
  const Result<std::string> listed = co_await run_tool(*runner_, "nft", std::move(arguments));
  std::vector<std::string> found;
  if (!listed && (listed.error().code() == Errc::not_installed || listed.error().code() == Errc::no_nat)) {
    co_return found;
  }
  if (!listed) {
    co_return listed.error();
  }
  for (const std::string_view line : lines_of(*listed)) {
    if (line.starts_with("table ") && line.ends_with(fmt::format(" {}", kTable))) {
      found.push_back(fmt::format("nftables: {}", line));
    }
  }
  co_return found;
}

}  // namespace msi2imds::redirect
