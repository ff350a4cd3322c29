// SPDX-License-Identifier: MIT
#include "redirect/nat_redirection.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "base/run_to_end.hpp"
#include "base/spawn.hpp"
#include "netlink/conntrack.hpp"
#include "netlink/kept_nat.hpp"
#include "redirect/errors.hpp"
#include "redirect/nat_removal.hpp"
#include "redirect/rival.hpp"

namespace msi2imds::redirect {
namespace {

// One that was killed may be on its way out.
constexpr std::chrono::milliseconds kRivalPatience{1000};

// Somebody who changes rules all the time, or undoes ours, does not keep us busy: beyond this, the look of
// each second does. A repair takes some three alarms; among thousands of rules, a look costs the tools a
// tenth of a second. What they do at a start, or have spent before a repair, does not count.
constexpr int kMostAlarms = 60;
constexpr std::chrono::milliseconds kMostOfTools{500};
constexpr std::chrono::seconds kRound{10};

// So often is put back what goes while it is being put back; then the next look does.
constexpr int kMostAgain = 3;

// Guards that still remove the rules of redirections that are gone.
std::vector<Guard>& guards_at_work() {
  static std::vector<Guard> guards;
  return guards;
}

void leave_rules_to(Guard guard) {
  guard.take_over();
  guards_at_work().push_back(std::move(guard));
}

// Fails where another process serves by rules of ours and does not end soon.
asio::awaitable<Result<void>> find_no_rival(std::vector<NatRules*> all, std::uint16_t listen_port,
                                            Deadline deadline) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const Deadline end = std::min(deadline, deadline_after(kRivalPatience));
  for (NatRules* rules : all) {
    while (co_await serves_others(*rules, listen_port)) {
      if (std::chrono::steady_clock::now() >= end) {
        co_return rival_error();
      }
      timer.expires_after(kBetweenAttempts);
      (void)co_await timer.async_wait(kAsTuple);
    }
  }
  co_return Result<void>();
}

// What the processors have done for the programs that we ran.
std::chrono::microseconds time_of_tools() {
  rusage used{};
  (void)::getrusage(RUSAGE_CHILDREN, &used);
  return std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

bool listens_on(const std::vector<Listener>& listeners, const SocketAddress& address) {
  return std::any_of(listeners.begin(), listeners.end(),
                     [&address](const Listener& listener) { return listener.address == address; });
}

}  // namespace

bool are_rules_left_to_guards() {
  collect_ended_guards();
  std::vector<Guard> at_work;
  for (Guard& guard : guards_at_work()) {
    if (!guard.outcome().value_or(false)) {
      at_work.push_back(std::move(guard));
    }
  }
  guards_at_work() = std::move(at_work);
  return !guards_at_work().empty();
}

NatPorts ports_of(const Plan& plan) {
  return {.legacy = plan.legacy_ports, .listen = plan.listen_port};
}

NatSupport support_nat(const Plan& plan) {
  Result<UniqueFd> kept = netlink::keep_nat("msi2imds_nat_" + new_owner());
  return {.kept_nat = kept ? std::move(*kept) : UniqueFd(),
          .tracking = TrackingWatch(plan.legacy_ports, plan.listen_port)};
}

NatRedirection::NatRedirection(const Plan& plan, std::shared_ptr<Families> families, Guard guard,
                               NatSupport support)
    : ports_(ports_of(plan)),
      patience_(plan.patience),
      families_(std::move(families)),
      guard_(std::move(guard)),
      support_(std::move(support)) {}

asio::awaitable<Result<std::unique_ptr<Redirection>>> NatRedirection::install(
    const Plan& plan, const std::vector<Listener>& listeners, std::unique_ptr<NatRules> ipv4,
    std::unique_ptr<NatRules> ipv6, NatSupport support, Deadline deadline) {
  const auto address = SocketAddress::ipv4_loopback(plan.listen_port);
  if (!listens_on(listeners, address)) {
    co_return Error::from_errno(ENOTCONN, "find the listener on " + address.to_string());
  }
  const auto families =
      std::make_shared<Families>(Families{.ipv4 = std::move(ipv4), .ipv6 = std::move(ipv6)});
  const std::vector<NatRules*> both = {families->ipv4.get(), families->ipv6.get()};
  const Result<void> is_free = co_await find_no_rival(both, plan.listen_port, deadline);
  if (!is_free) {
    co_return is_free.error();
  }
  const auto remaining = std::make_shared<NatRemaining>(
      NatRemaining{.redirecting = both, .closing = {}, .ports = ports_of(plan)});
  // The guard is started before the rules are put, so that they never exist without it.
  Guard::Undo undo = [families, remaining] { return run_to_end(go_on_removing(*remaining)); };
  const std::vector<int> none;
  const IfKilled if_killed = plan.may_outlive_us ? IfKilled::leave : IfKilled::undo;
  auto guard = co_await Guard::start(std::move(undo), none, Guard::kPatience, if_killed);
  if (!guard) {
    co_return guard.error();
  }
  // Or whoever dials the extension from a port that the kernel knows from the past would lose its answer.
  (void)netlink::forget_ended(plan.listen_port);
  // The kernel did not track clients that were redirected in another way, or by nobody. Their source ports
  // may be used again to dial a legacy port.
  std::vector<std::uint16_t> ports = plan.legacy_ports;
  ports.push_back(plan.listen_port);
  (void)netlink::make_known(ports);
  const Result<void> put = co_await insist(deadline, [&families] { return families->ipv4->put(); });
  if (!put) {
    leave_rules_to(std::move(*guard));  // a tool that was killed may have put them
    co_return put.error();
  }
  std::unique_ptr<NatRedirection> redirection(
      new NatRedirection(plan, families, std::move(*guard), std::move(support)));
  co_await redirection->put_ipv6(listeners, deadline);
  redirection->old_connections_.expect();
  redirection->look_after_connections();
  co_return std::move(redirection);
}

asio::awaitable<void> NatRedirection::put_ipv6(const std::vector<Listener>& listeners, Deadline deadline) {
  if (!listens_on(listeners, SocketAddress::ipv6_loopback(ports_.listen))) {
    why_not_ipv6_ = "nobody listens there";
  } else {
    const Result<void> put = co_await insist(deadline, [this] { return families_->ipv6->put(); });
    if (!put) {
      why_not_ipv6_ = put.error().message();
    }
  }
  if (why_not_ipv6_) {
    // Removes what an earlier process has left; fails where there is no IPv6, and nothing to remove.
    (void)co_await families_->ipv6->remove(Whose::anybodys);
  }
}

NatRedirection::~NatRedirection() {
  if (is_ours_) {
    leave_rules_to(std::move(guard_));
  }
}

// Nobody has to look after the rules any more.
void NatRedirection::disown() {
  is_ours_ = false;
  support_.kept_nat.reset();
  guard_.dismiss();
}

asio::awaitable<Result<void>> NatRedirection::remove() {
  if (!is_ours_) {
    co_return Result<void>();
  }
  const Result<void> removed =
      co_await remove_gently(in_force(), Whose::ours, ports_, deadline_after(patience_));
  if (removed) {
    disown();
  }
  co_return removed;
}

// Repairs connections during which rules were put or removed.
void NatRedirection::look_after_connections() {
  lost_servers_.end_waiting(ports_.legacy, ports_.listen);
  old_connections_.forget(ports_.legacy);
}

asio::awaitable<Result<void>> NatRedirection::check() {
  look_after_connections();
  const auto before = time_of_tools();
  Result<void> checked;
  for (NatRules* rules : in_force()) {
    checked = co_await rules->check();
    if (!checked) {
      break;
    }
  }
  spent_on_looks_ += time_of_tools() - before;
  if (checked && support_.tracking) {
    checked = support_.tracking->check();
  }
  co_return checked;
}

asio::awaitable<Result<void>> NatRedirection::repair(NatRules& rules) {
  const Result<void> checked = co_await rules.check();
  if (checked || is_busy(checked.error())) {
    co_return checked;  // whoever wants to stop or reload must not wait for each program
  }
  const bool is_anothers = co_await serves_others(rules, ports_.listen);
  if (is_anothers) {
    co_return rival_error();  // two processes that take it from each other would serve nobody
  }
  lost_servers_.expect();
  old_connections_.expect();
  co_return co_await rules.put();
}

struct NatRedirection::Outcome {
  asio::steady_timer known;  // ends then
  std::optional<Result<void>> result;
};

asio::awaitable<void> NatRedirection::repair_ipv6(std::shared_ptr<Outcome> outcome) {
  outcome->result = co_await repair(*families_->ipv6);
  outcome->known.cancel();
}

// Of both families at once: whoever dials is refused until then.
asio::awaitable<Result<void>> NatRedirection::repair_both() {
  const auto executor = co_await asio::this_coro::executor;
  const auto ipv6 = std::make_shared<Outcome>(
      Outcome{.known = asio::steady_timer(executor, asio::steady_timer::time_point::max()), .result = {}});
  if (why_not_ipv6_) {
    ipv6->result = Result<void>();
  } else {
    spawn(static_cast<asio::io_context&>(executor.context()), "put IPv6's rules back", repair_ipv6(ipv6));
  }
  Result<void> repaired = co_await repair(*families_->ipv4);
  while (!ipv6->result) {
    (void)co_await ipv6->known.async_wait(kAsTuple);
  }
  if (repaired) {
    repaired = *ipv6->result;
  }
  co_return repaired;
}

// A firewall that loads its rules of IPv4 first takes those of IPv6 away while they are being looked at.
asio::awaitable<Result<void>> NatRedirection::repair() {
  Result<void> repaired = co_await repair_both();
  for (int again = 0; repaired; ++again) {
    const Result<void> checked = co_await check();
    spent_on_looks_ = {};
    if (checked || checked.error().code() != Errc::incomplete || again == kMostAgain) {
      co_return checked;
    }
    repaired = co_await repair_both();
  }
  co_return repaired;
}

void NatRedirection::limit_patience(std::chrono::milliseconds longest) {
  patience_ = std::min(patience_, longest);
}

bool NatRedirection::hand_over() {
  const bool can = is_ours_;
  disown();
  return can;
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

// Whatever rings for one family does for both.
int NatRedirection::alarm() const {
  return families_->ipv4->alarm();
}

bool NatRedirection::heed_alarm() {
  bool may_be_ours = false;
  for (NatRules* rules : in_force()) {
    may_be_ours = rules->heed_alarm() || may_be_ours;
  }
  const auto now = std::chrono::steady_clock::now();
  if (now >= next_round_) {
    alarms_ = 0;
    spent_on_looks_ = {};
    next_round_ = now + kRound;
  }
  return may_be_ours && ++alarms_ <= kMostAlarms && spent_on_looks_ <= kMostOfTools;
}

std::vector<NatRules*> NatRedirection::in_force() const {
  std::vector<NatRules*> in_force = {families_->ipv4.get()};
  if (!why_not_ipv6_) {
    in_force.push_back(families_->ipv6.get());
  }
  return in_force;
}

}  // namespace msi2imds::redirect
