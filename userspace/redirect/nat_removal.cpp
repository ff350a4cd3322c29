// SPDX-License-Identifier: MIT
#include "redirect/nat_removal.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <functional>
#include <utility>

#include "base/run_to_end.hpp"
#include "netlink/conntrack.hpp"
#include "redirect/guard.hpp"
#include "redirect/open_connections.hpp"
#include "redirect/rival.hpp"

namespace msi2imds::redirect {
namespace {

// Longer than a request may take.
constexpr std::chrono::seconds kLongestClosing{90};
constexpr std::chrono::seconds kFinishPatience{60};  // of a process for which nobody waits

using Change = std::function<asio::awaitable<Result<void>>(NatRules&)>;

// Changes all of them. Those which another tool is changing are tried again until the deadline, and do not
// keep the others waiting.
asio::awaitable<Result<void>> change_all(std::vector<NatRules*> all, Change change, Deadline deadline) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  Result<void> result;
  while (true) {
    std::vector<NatRules*> busy;
    Result<void> refusal;
    for (NatRules* rules : all) {
      const Result<void> changed = co_await change(*rules);
      if (!changed && is_busy(changed.error())) {
        busy.push_back(rules);
        refusal = changed;
      } else if (!changed) {
        result = changed;
      }
    }
    if (busy.empty()) {
      co_return result;
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      co_return refusal;
    }
    all = std::move(busy);
    timer.expires_after(kBetweenAttempts);
    (void)co_await timer.async_wait(kAsTuple);
  }
}

// New connections are no longer redirected. `closing` are the rules of which something is left for those that
// are open.
asio::awaitable<Result<void>> stop_redirecting(NatRules& rules, Whose whose,
                                               std::vector<NatRules*>& closing) {
  const Result<bool> closed = co_await rules.close(whose);
  if (!closed && is_busy(closed.error())) {
    co_return closed.error();
  }
  if (!closed) {
    co_return co_await rules.remove(whose);
  }
  if (*closed) {
    closing.push_back(&rules);
  }
  co_return Result<void>();
}

asio::awaitable<Result<void>> finish(std::vector<NatRules*> closing, Deadline deadline) {
  const Change finish_one = [](NatRules& rules) { return rules.finish(); };
  co_return co_await change_all(std::move(closing), finish_one, deadline);
}

asio::awaitable<void> finish_once_connections_have_ended(std::vector<NatRules*> closing,
                                                         const NatPorts& ports) {
  if (!closing.empty()) {
    std::function<std::size_t()> count = [&ports] { return count_who_need_nat(ports); };
    co_await wait_for_none(std::move(count), kLongestClosing);
    (void)netlink::forget_ended(ports.listen);
    (void)co_await finish(std::move(closing), deadline_after(kFinishPatience));
  }
}

}  // namespace

// Connections are counted after new ones are redirected no more: one that came between the count and the
// removal would lose its translation. The kernel translates those that exist only while there is a NAT rule,
// so one stays until they have ended; removing it is left to a process that may outlive us. What close() left
// redirects nothing, so that process does no harm if it fails.
asio::awaitable<Result<void>> remove_gently(std::vector<NatRules*> all, Whose whose, const NatPorts& ports,
                                            Deadline deadline) {
  std::vector<NatRules*> closing;
  const Change stop = [whose, &closing](NatRules& rules) { return stop_redirecting(rules, whose, closing); };
  Result<void> stopped = co_await change_all(std::move(all), stop, deadline);
  (void)netlink::forget_ended(ports.listen);
  if (count_who_need_nat(ports) == 0) {
    const Result<void> finished = co_await finish(closing, deadline);
    co_return stopped ? finished : stopped;
  }
  std::function<void()> finish_later = [&closing, &ports] {
    run_to_end(finish_once_connections_have_ended(closing, ports));
  };
  const Result<void> detached = co_await run_detached(std::move(finish_later));
  if (!detached) {
    (void)co_await finish(closing, deadline);
  }
  co_return stopped;
}

asio::awaitable<bool> go_on_removing(NatRemaining& remaining) {
  std::vector<NatRules*> busy;
  for (NatRules* rules : remaining.redirecting) {
    const Result<void> stopped = co_await stop_redirecting(*rules, Whose::ours, remaining.closing);
    if (!stopped && is_busy(stopped.error())) {
      busy.push_back(rules);
    }
  }
  remaining.redirecting = std::move(busy);
  if (!remaining.redirecting.empty()) {
    co_return false;
  }
  co_await finish_once_connections_have_ended(remaining.closing, remaining.ports);
  co_return true;
}

asio::awaitable<Result<std::vector<std::string>>> remove(const std::vector<NatLeftover>& leftovers,
                                                         Removal removal, const NatPorts& ports,
                                                         Deadline deadline) {
  std::vector<std::string> names;
  std::vector<NatRules*> all;
  for (const NatLeftover& leftover : leftovers) {
    const bool is_used = removal == Removal::gently && co_await serves_others(*leftover.rules, ports.listen);
    if (is_used) {
      continue;
    }
    names.insert(names.end(), leftover.names.begin(), leftover.names.end());
    all.push_back(leftover.rules.get());
  }
  Result<void> removed;
  if (removal == Removal::gently) {
    removed = co_await remove_gently(std::move(all), Whose::anybodys, ports, deadline);
  } else {
    const Change remove_one = [](NatRules& rules) { return rules.remove(Whose::anybodys); };
    removed = co_await change_all(std::move(all), remove_one, deadline);
    (void)netlink::forget_ended(ports.listen);
  }
  co_return removed ? Result<std::vector<std::string>>(std::move(names)) : removed.error();
}

}  // namespace msi2imds::redirect
