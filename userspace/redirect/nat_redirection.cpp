// SPDX-License-Identifier: MIT
#include "redirect/nat_redirection.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <chrono>
#include <map>
#include <utility>

#include "base/log.hpp"
#include "base/run_to_end.hpp"
#include "redirect/errors.hpp"
#include "redirect/open_connections.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {
namespace {

// Longer than a request may take.
constexpr std::chrono::seconds kLongestClosing{90};
constexpr std::chrono::milliseconds kClosingPoll{100};

std::map<std::string_view, const Redirection*>& owners() {
  static std::map<std::string_view, const Redirection*> owners;
  return owners;
}

bool listens_on(const std::vector<Listener>& listeners, const SocketAddress& address) {
  return std::any_of(listeners.begin(), listeners.end(),
                     [&address](const Listener& listener) { return listener.address == address; });
}

asio::awaitable<void> wait_for_connections_to_end(std::uint16_t listen_port) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const auto deadline = std::chrono::steady_clock::now() + kLongestClosing;
  while (count_open_connections(listen_port) > 0 && std::chrono::steady_clock::now() < deadline) {
    timer.expires_after(kClosingPoll);
    (void)co_await timer.async_wait(kAsTuple);
  }
}

// Stops new connections from being redirected; returns the rules for which that succeeded. Connections are
// counted after that: one that came between the count and the removal would lose its translation.
asio::awaitable<std::vector<NatRules*>> close(std::vector<NatRules*> all) {
  std::vector<NatRules*> closing;
  for (NatRules* rules : all) {
    const Result<void> closed = co_await insist([rules] { return rules->close(); });
    if (closed) {
      closing.push_back(rules);
    }
  }
  co_return closing;
}

asio::awaitable<Result<void>> remove_all_but(std::vector<NatRules*> needed, std::vector<NatRules*> all) {
  Result<void> result;
  for (NatRules* rules : all) {
    if (std::find(needed.begin(), needed.end(), rules) != needed.end()) {
      continue;
    }
    Result<void> removed = co_await insist([rules] { return rules->remove(); });
    if (!removed) {
      result = std::move(removed);
    }
  }
  co_return result;
}

// What close() left redirects nothing, so a failure to remove it does no harm.
asio::awaitable<void> finish(std::vector<NatRules*> closing) {
  for (NatRules* rules : closing) {
    (void)co_await insist([rules] { return rules->finish(); });
  }
}

asio::awaitable<void> finish_once_connections_have_ended(std::vector<NatRules*> closing,
                                                         std::uint16_t listen_port) {
  co_await wait_for_connections_to_end(listen_port);
  co_await finish(std::move(closing));
}

// In the guard's process, which has nobody to report a failure to.
asio::awaitable<void> remove_for_a_process_that_is_gone(std::vector<NatRules*> all,
                                                        std::uint16_t listen_port) {
  std::vector<NatRules*> closing = co_await close(all);
  (void)co_await remove_all_but(closing, all);
  co_await finish_once_connections_have_ended(std::move(closing), listen_port);
}

}  // namespace

// The kernel translates connections that exist only while there is a NAT rule, so one stays until they have
// ended; closing it is left to a process that may outlive us.
asio::awaitable<Result<void>> remove_gently(std::vector<NatRules*> all, std::uint16_t listen_port) {
  std::vector<NatRules*> closing = co_await close(all);
  if (count_open_connections(listen_port) == 0) {
    closing.clear();
  }
  Result<void> result = co_await remove_all_but(closing, all);
  if (!closing.empty()) {
    const Result<void> detached = run_detached(
        [&closing, listen_port] { run_to_end(finish_once_connections_have_ended(closing, listen_port)); });
    if (!detached) {
      co_await finish(closing);
    }
  }
  co_return result;
}

asio::awaitable<Result<std::vector<std::string>>> remove(const std::vector<NatLeftover>& leftovers,
                                                         Removal removal, std::uint16_t listen_port) {
  std::vector<std::string> names;
  std::vector<NatRules*> all;
  for (const NatLeftover& leftover : leftovers) {
    names.insert(names.end(), leftover.names.begin(), leftover.names.end());
    all.push_back(leftover.rules.get());
  }
  if (removal == Removal::gently) {
    const Result<void> removed = co_await remove_gently(all, listen_port);
    co_return removed ? Result<std::vector<std::string>>(std::move(names)) : removed.error();
  }
  for (NatRules* rules : all) {
    const Result<void> removed = co_await insist([rules] { return rules->remove(); });
    if (!removed) {
      co_return removed.error();
    }
  }
  co_return names;
}

NatRedirection::NatRedirection(std::string_view backend, std::uint16_t listen_port,
                               std::shared_ptr<Families> families, Guard guard)
    : backend_(backend), listen_port_(listen_port), families_(std::move(families)), guard_(std::move(guard)) {
  owners()[backend_] = this;
}

asio::awaitable<Result<std::unique_ptr<Redirection>>> NatRedirection::install(
    std::string_view backend, const Plan& plan, const std::vector<Listener>& listeners,
    std::unique_ptr<NatRules> ipv4, std::unique_ptr<NatRules> ipv6) {
  const auto address = SocketAddress::ipv4_loopback(plan.listen_port);
  if (!listens_on(listeners, address)) {
    co_return Error::from_errno(ENOTCONN, "find the listener on " + address.to_string());
  }
  const auto families =
      std::make_shared<Families>(Families{.ipv4 = std::move(ipv4), .ipv6 = std::move(ipv6)});
  // The guard is started before the rules are put, so that they never exist without it.
  auto guard = Guard::start(
      [families, port = plan.listen_port] {
        run_to_end(remove_for_a_process_that_is_gone({families->ipv4.get(), families->ipv6.get()}, port));
      },
      {});
  if (!guard) {
    co_return guard.error();
  }
  const Result<void> put = co_await insist([&families] { return families->ipv4->put(); });
  if (!put) {
    co_return put.error();
  }
  std::unique_ptr<NatRedirection> redirection(
      new NatRedirection(backend, plan.listen_port, families, std::move(*guard)));
  co_await redirection->put_ipv6(listeners);
  // What an earlier process has left closing can go: the new rules keep its connections translated.
  co_await finish(redirection->in_force());
  co_return std::move(redirection);
}

asio::awaitable<void> NatRedirection::put_ipv6(const std::vector<Listener>& listeners) {
  if (!listens_on(listeners, SocketAddress::ipv6_loopback(listen_port_))) {
    why_not_ipv6_ = "nobody listens there";
  } else {
    const Result<void> put = co_await insist([this] { return families_->ipv6->put(); });
    if (!put) {
      why_not_ipv6_ = put.error().message();
    }
  }
  if (why_not_ipv6_) {
    // Removes what an earlier process has left; fails where there is no IPv6, and nothing to remove.
    (void)co_await families_->ipv6->remove();
  }
}

NatRedirection::~NatRedirection() {
  run_to_end(NatRedirection::remove());
}

asio::awaitable<void> NatRedirection::remove() {
  if (!owns_the_rules()) {
    co_return;
  }
  const Result<void> removed = co_await remove_gently(in_force(), listen_port_);
  owners().erase(backend_);
  if (!removed) {
    log::error("cannot remove the redirection: {}", removed.error().message());
  }
}

asio::awaitable<Result<void>> NatRedirection::check() {
  if (!owns_the_rules()) {
    co_return Error(Errc::superseded, "check the rules");
  }
  for (NatRules* rules : in_force()) {
    Result<void> checked = co_await rules->check();
    if (!checked) {
      co_return checked;
    }
  }
  co_return Result<void>();
}

asio::awaitable<Result<void>> NatRedirection::repair() {
  if (!owns_the_rules()) {
    co_return Error(Errc::superseded, "repair the rules");
  }
  Result<void> repaired;
  for (NatRules* rules : in_force()) {
    const Result<void> checked = co_await rules->check();
    if (checked) {
      continue;
    }
    if (is_busy(checked.error())) {
      co_return checked;  // whoever wants to stop or reload must not wait for each program
    }
    const Result<void> put = co_await rules->put();
    if (!put) {
      repaired = put;
    }
  }
  if (!repaired) {
    co_return repaired;
  }
  co_return co_await check();
}

bool NatRedirection::hand_over() {
  if (!owns_the_rules()) {
    return false;
  }
  owners().erase(backend_);
  guard_.reset();
  return true;
}

std::vector<std::string> NatRedirection::remarks() const {
  std::vector<std::string> remarks = {
      "while it is in force, the kernel tracks every connection of this host (conntrack)"};
  if (why_not_ipv6_) {
    remarks.push_back("connections to ::1 are not covered: " + *why_not_ipv6_);
  }
  return remarks;
}

bool NatRedirection::covers_ipv6() const {
  return !why_not_ipv6_;
}

bool NatRedirection::owns_the_rules() const {
  const auto owner = owners().find(backend_);
  return owner != owners().end() && owner->second == this;
}

std::vector<NatRules*> NatRedirection::in_force() const {
  std::vector<NatRules*> in_force = {families_->ipv4.get()};
  if (!why_not_ipv6_) {
    in_force.push_back(families_->ipv6.get());
  }
  return in_force;
}

}  // namespace msi2imds::redirect
