// SPDX-License-Identifier: MIT
#include "redirect/iptables_tool.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fstream>
#include <type_traits>
#include <utility>
#include <vector>

#include "redirect/errors.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {
namespace {

using std::chrono::milliseconds;

// Option -w is not used: not all versions know it, and its argument differs. Some versions wait without it.
constexpr std::array kWaits = {milliseconds(50), milliseconds(100), milliseconds(200), milliseconds(400),
                               milliseconds(800)};

constexpr int kOvertakings = 2;

// Somebody may have changed the table between our look and our change.
bool may_be_overtaken(const Error& failure) {
  return failure.code() == Errc::tool_failed || failure.code() == Errc::no_nat ||
         failure.code() == Errc::in_use;
}

// Repeats `attempt` while it fails because another tool is changing the table.
template <typename Attempt>
std::invoke_result_t<Attempt> persist(const Wait& wait, Attempt attempt) {
  auto result = co_await attempt();
  for (int again = 0; again < kOvertakings && !result && may_be_overtaken(result.error()); ++again) {
    result = co_await attempt();
  }
  for (const milliseconds time : kWaits) {
    if (result || result.error().code() != Errc::locked) {
      break;
    }
    co_await wait(time);
    result = co_await attempt();
  }
  co_return result;
}

bool has_legacy_table(const NatFamily& family, const std::string& table) {
  std::ifstream names(family.domain == AF_INET6 ? "/proc/self/net/ip6_tables_names"
                                                : "/proc/self/net/ip_tables_names");
  for (std::string name; names >> name;) {
    if (name == table) {
      return true;
    }
  }
  return false;
}

asio::awaitable<void> sleep_for(milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  (void)co_await timer.async_wait(kAsTuple);
}

}  // namespace

IptablesPrograms iptables_programs(const NatFamily& family, const std::string& flavour) {
  const std::string name = (family.domain == AF_INET6 ? "ip6tables" : "iptables") + flavour;
  return {.list = name, .restore = name + "-restore", .save = name + "-save"};
}

asio::awaitable<bool> has_iptables_table(CommandRunner& runner, bool speaks_nftables, const NatFamily& family,
                                         std::string table) {
  if (!speaks_nftables) {
    co_return has_legacy_table(family, table);
  }
  std::vector<std::string> arguments = {"list", "tables"};
  const Result<std::string> listing = co_await run_tool(runner, "nft", std::move(arguments));
  if (!listing) {
    co_return true;
  }
  const std::vector<std::string_view> lines = lines_of(*listing);
  co_return std::find(lines.begin(), lines.end(), fmt::format("table {} {}", family.nft_name, table)) !=
      lines.end();
}

asio::awaitable<std::vector<const NatFamily*>> families_with_iptables_table(CommandRunner& runner,
                                                                            std::string table) {
  std::vector<const NatFamily*> families;
  for (const NatFamily* family : {&kIpv4, &kIpv6}) {
    bool is_there = has_legacy_table(*family, table);
    if (!is_there) {
      is_there = co_await has_iptables_table(runner, true, *family, table);
    }
    if (is_there) {
      families.push_back(family);
    }
  }
  co_return families;
}

asio::awaitable<Result<std::string>> list_iptables_table(CommandRunner& runner, IptablesPrograms programs,
                                                         std::string table) {
  std::vector<std::string> arguments = {"-t", table, "-S"};
  Result<std::string> listing = co_await run_tool(runner, programs.list, std::move(arguments));
  if (!listing && listing.error().code() == Errc::tool_failed) {  // too old for -S
    std::vector<std::string> of_table = {"-t", table};
    Result<std::string> saved = co_await run_tool(runner, programs.save, std::move(of_table));
    if (saved) {
      listing = std::move(saved);
    }
  }
  co_return listing;
}

asio::awaitable<Result<void>> restore_iptables(CommandRunner& runner, IptablesPrograms programs,
                                               std::string text) {
  std::vector<std::string> arguments = {"--noflush"};
  const Result<std::string> done =
      co_await run_tool(runner, programs.restore, std::move(arguments), std::move(text));
  co_return done ? Result<void>() : done.error();
}

asio::awaitable<Result<bool>> speaks_nftables(CommandRunner& runner, IptablesPrograms programs) {
  std::vector<std::string> arguments = {"--version"};
  const Result<std::string> version = co_await run_tool(runner, programs.list, std::move(arguments));
  if (!version) {
    co_return version.error();
  }
  co_return version->find("nf_tables") != std::string::npos;
}

Wait real_wait() {
  return sleep_for;
}

IptablesTool::IptablesTool(IptablesPrograms programs, std::shared_ptr<CommandRunner> runner, Wait wait)
    : programs_(std::move(programs)), runner_(std::move(runner)), wait_(std::move(wait)) {}

asio::awaitable<Result<IptablesNat>> IptablesTool::look_once() const {
  const Result<std::string> listing = co_await list_iptables_table(*runner_, programs_, "nat");
  if (!listing) {
    co_return listing.error();
  }
  co_return read_iptables(*listing);
}

asio::awaitable<Result<void>> IptablesTool::change_once(const TextFor& text_for,
                                                        std::optional<IptablesNat> seen) const {
  if (!seen) {
    Result<IptablesNat> found = co_await look_once();
    if (!found) {
      co_return found.error();
    }
    seen = std::move(*found);
  }
  std::string text = text_for(*seen);
  if (text.empty()) {
    co_return Result<void>();
  }
  co_return co_await restore_iptables(*runner_, programs_, std::move(text));
}

asio::awaitable<Result<IptablesNat>> IptablesTool::look() const {
  return persist(wait_, [this] { return look_once(); });
}

asio::awaitable<Result<void>> IptablesTool::restore(std::string text) const {
  return persist(wait_,
                 [this, text = std::move(text)] { return restore_iptables(*runner_, programs_, text); });
}

asio::awaitable<Result<void>> IptablesTool::change(TextFor text_for, std::optional<IptablesNat> seen) const {
  return persist(wait_, [this, text_for = std::move(text_for), seen = std::move(seen)]() mutable {
    return change_once(text_for, std::exchange(seen, std::nullopt));
  });
}

}  // namespace msi2imds::redirect
