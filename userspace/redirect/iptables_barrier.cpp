// SPDX-License-Identifier: MIT
#include "redirect/iptables_barrier.hpp"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <set>
#include <utility>

#include "redirect/errors.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {
namespace {

constexpr std::string_view kBarrierChain = "MSI2IMDS_BARRIER";
constexpr int kAttempts = 3;

std::string filter_transaction(const std::string& lines) {
  return lines.empty() ? std::string() : "*filter\n" + lines + "COMMIT\n";
}

// "-D OUTPUT ..." for each of our jumps.
std::string delete_barrier_jumps(const std::vector<std::string>& ours) {
  std::string lines;
  for (const std::string& line : ours) {
    if (line.starts_with("-A OUTPUT ")) {
      lines += "-D" + line.substr(2) + "\n";
    }
  }
  return lines;
}

// An empty chain: MSI2IMDS_BARRIER_0123abcd.
std::string barrier_mark_of(std::string_view owner) {
  return fmt::format("{}_{}", kBarrierChain, owner);
}

std::string delete_barrier_marks(const std::vector<std::string>& ours) {
  const std::string beginning = "-N " + barrier_mark_of("");
  std::string lines;
  for (const std::string& line : ours) {
    if (line.starts_with(beginning)) {
      lines += fmt::format("-F {0}\n-X {0}\n", line.substr(3));
    }
  }
  return lines;
}

}  // namespace

std::vector<std::string> our_barrier_lines(std::string_view listing) {
  std::vector<std::string> ours;
  for (const std::string_view line : lines_of(listing)) {
    if (line.find(kBarrierChain) == std::string_view::npos) {
      continue;
    }
    // As iptables-save prints it, with its counters: ":MSI2IMDS_BARRIER - [0:0]".
    const bool is_saved_chain = line.starts_with(':');
    ours.push_back(is_saved_chain ? fmt::format("-N {}", line.substr(1, line.find(' ') - 1))
                                  : std::string(line));
  }
  return ours;
}

bool is_barrier_of(std::string_view owner, const std::vector<std::string>& ours) {
  return std::find(ours.begin(), ours.end(), "-N " + barrier_mark_of(owner)) != ours.end();
}

std::string iptables_barrier_text(const BarrierPlan& plan, std::string_view owner,
                                  const std::vector<std::string>& ours) {
  std::string text = delete_barrier_marks(ours);
  for (const std::string& chain : {barrier_mark_of(owner), std::string(kBarrierChain)}) {
    text += fmt::format(":{} - [0:0]\n", chain);  // made, or emptied
  }
  for (const uid_t uid : plan.open_to) {
    text += fmt::format("-A {} -m owner --uid-owner {} -j RETURN\n", kBarrierChain, uid);
  }
  text += fmt::format("-A {} -p tcp -j REJECT --reject-with tcp-reset\n", kBarrierChain);
  text += delete_barrier_jumps(ours);
  for (const SocketAddress& closed : plan.closed) {
    text += fmt::format("-I OUTPUT 1 -d {} -p tcp -m tcp --dport {} --tcp-flags FIN,SYN,RST,ACK SYN -j {}\n",
                        host_of(closed), closed.port(), kBarrierChain);
  }
  return filter_transaction(text);
}

std::string iptables_barrier_removal_text(const std::vector<std::string>& ours) {
  return ours.empty() ? std::string()
                      : filter_transaction(delete_barrier_marks(ours) + delete_barrier_jumps(ours) +
                                           fmt::format("-F {0}\n-X {0}\n", kBarrierChain));
}

IptablesBarrier::IptablesBarrier(std::shared_ptr<CommandRunner> runner, std::vector<std::string> flavours)
    : runner_(std::move(runner)), flavours_(std::move(flavours)) {}

IptablesPrograms IptablesBarrier::programs_of(const Tool& tool) {
  return iptables_programs(*tool.family, tool.flavour);
}

asio::awaitable<Result<std::vector<std::string>>> IptablesBarrier::look(Tool tool) const {
  const Result<std::string> listing =
      co_await list_iptables_table(*runner_, programs_of(tool), std::string("filter"));
  if (!listing) {
    co_return listing.error();
  }
  co_return our_barrier_lines(*listing);
}

asio::awaitable<Result<void>> IptablesBarrier::put_with(Tool tool, const BarrierPlan& plan) {
  const Result<std::vector<std::string>> ours = co_await look(tool);
  if (!ours) {
    co_return ours.error();
  }
  std::string text = iptables_barrier_text(plan, owner_, *ours);
  const Result<void> put = co_await restore_iptables(*runner_, programs_of(tool), std::move(text));
  if (!put) {
    co_return put;
  }
  const Result<bool> in_nftables = co_await speaks_nftables(*runner_, programs_of(tool));
  if (in_nftables && *in_nftables) {
    watch_ = std::make_unique<NftWatch>("filter");
  } else {
    watch_ = std::make_unique<LegacyWatch>(*tool.family, "filter");
  }
  (void)watch_->needs_look();
  const Result<std::vector<std::string>> shown = co_await look(tool);
  if (!shown) {
    co_return shown.error();
  }
  used_ = std::move(tool);
  as_shown_ = *shown;
  co_return Result<void>();
}

// Of the flavours that are installed, the first is the one that the host has chosen: its error counts.
asio::awaitable<Result<void>> IptablesBarrier::put(const BarrierPlan& plan) {
  const NatFamily& family = plan.closed.front().family() == AF_INET6 ? kIpv6 : kIpv4;
  if (used_.family != nullptr && used_.family != &family) {
    (void)co_await remove(Whose::ours);  // rules of the other family close an old endpoint
  }
  std::optional<Error> refusal;
  for (const std::string& flavour : flavours_) {
    Tool tool{.family = &family, .flavour = flavour};
    const Result<void> put = co_await put_with(std::move(tool), plan);
    if (put || is_busy(put.error())) {
      co_return put;
    }
    if (!refusal || (refusal->code() == Errc::not_installed && put.error().code() != Errc::not_installed)) {
      refusal = put.error();
    }
  }
  co_return refusal.value_or(Error(Errc::not_installed, "run iptables"));
}

asio::awaitable<Result<void>> IptablesBarrier::check() {
  if (watch_ == nullptr) {
    co_return Error(Errc::incomplete, "check the barrier");
  }
  if (!watch_->needs_look()) {
    co_return Result<void>();
  }
  const std::string context = fmt::format("check chain {} of {}", kBarrierChain, used_.family->name);
  const Result<std::vector<std::string>> shown = co_await look(used_);
  if (!shown) {
    co_return shown.error().within(context);
  }
  if (*shown != as_shown_) {
    co_return Error(Errc::incomplete, context + " (somebody has changed it)");
  }
  watch_->confirm();
  co_return Result<void>();
}

// Two flavours may be names of the same program.
asio::awaitable<Result<std::vector<IptablesBarrier::Tool>>> IptablesBarrier::tools_with_ours() const {
  std::vector<Tool> found;
  std::set<std::pair<bool, int>> seen;
  const std::vector<const NatFamily*> families =
      co_await families_with_iptables_table(*runner_, std::string("filter"));
  for (const std::string& flavour : flavours_) {
    for (const NatFamily* family : families) {  // Tool keeps the pointer
      const Tool tool{.family = family, .flavour = flavour};
      const Result<bool> in_nftables = co_await speaks_nftables(*runner_, programs_of(tool));
      if (!in_nftables || seen.contains(std::pair(*in_nftables, family->domain))) {
        continue;
      }
      const bool is_there = co_await has_iptables_table(*runner_, *in_nftables, *family, "filter");
      if (!is_there) {
        continue;
      }
      const Result<std::vector<std::string>> ours = co_await look(tool);
      if (!ours && ours.error().code() != Errc::no_nat) {
        co_return ours.error();
      }
      seen.emplace(*in_nftables, family->domain);
      if (ours && !ours->empty()) {
        found.push_back(tool);
      }
    }
  }
  co_return found;
}

asio::awaitable<Result<void>> IptablesBarrier::remove(Whose whose) {
  const Result<std::vector<Tool>> tools = co_await tools_with_ours();
  if (!tools) {
    co_return tools.error();
  }
  for (const Tool& tool : *tools) {
    const Result<void> removed = co_await remove_with(tool, whose);
    if (!removed) {
      co_return removed;
    }
  }
  co_return Result<void>();
}

asio::awaitable<Result<void>> IptablesBarrier::remove_with(Tool tool, Whose whose) const {
  Result<void> removed;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {  // somebody else may change the table in between
    const Result<std::vector<std::string>> ours = co_await look(tool);
    if (!ours) {
      co_return ours.error();
    }
    if (ours->empty() || (whose == Whose::ours && !is_barrier_of(owner_, *ours))) {
      co_return Result<void>();
    }
    std::string text = iptables_barrier_removal_text(*ours);
    removed = co_await restore_iptables(*runner_, programs_of(tool), std::move(text));
    if (removed || is_busy(removed.error())) {
      break;
    }
  }
  co_return removed;
}

asio::awaitable<Result<std::vector<std::string>>> IptablesBarrier::find() const {
  const Result<std::vector<Tool>> tools = co_await tools_with_ours();
  if (!tools) {
    co_return tools.error();
  }
  std::vector<std::string> names;
  for (const Tool& tool : *tools) {
    names.push_back(fmt::format("iptables: chain {} of {}", kBarrierChain, tool.family->name));
  }
  co_return names;
}

}  // namespace msi2imds::redirect
