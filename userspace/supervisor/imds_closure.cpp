// SPDX-License-Identifier: MIT
#include "supervisor/imds_closure.hpp"

#include <cerrno>
#include <utility>

#include "base/log.hpp"
#include "config/closure.hpp"
#include "redirect/tool.hpp"
#include "supervisor/proxy_agent.hpp"

namespace msi2imds::supervisor {
namespace {

// After all ways have failed they are tried again only at every so manieth look, since a try runs the host's
// programs.
constexpr unsigned kLooksBetweenTries = 10;

// What is to be closed, and to whom; nothing where that is not asked for.
Result<std::optional<redirect::BarrierPlan>> barrier_plan_of(const config::Config& config) {
  if (!config::closes_imds(config)) {
    return std::optional<redirect::BarrierPlan>();
  }
  const config::Endpoint& endpoint = config.imds.endpoint;
  const Result<SocketAddress> address = SocketAddress::parse(endpoint.address, endpoint.port);
  if (!address) {
    return address.error();
  }
  redirect::BarrierPlan plan{
      .closed = {*address}, .open_to = config::users_let_through(config), .cgroups = config.redirect.cgroups};
  // The agent hooks this endpoint alone, and may do it before us.
  if (endpoint == config::Endpoint()) {
    if (const auto agent = find_proxy_agent("/proc")) {
      plan.closed.push_back(*agent);
    }
  }
  return std::optional(std::move(plan));
}

}  // namespace

asio::awaitable<void> ImdsClosure::follow(const config::Config& config) {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  if (has_ended_) {
    co_return;
  }
  Result<std::optional<redirect::BarrierPlan>> plan = barrier_plan_of(config);
  if (!plan) {
    note(plan.error());
    co_return;
  }
  const std::string pin_directory = config.redirect.pin_directory;
  if (*plan) {
    co_await close(std::move(**plan), pin_directory);
  } else {
    co_await lower();
  }
  co_await remove_leftovers(pin_directory);
}

asio::awaitable<void> ImdsClosure::close(redirect::BarrierPlan plan, std::string pin_directory) {
  if (!plan_) {
    co_await raise_anew(std::move(plan), std::move(pin_directory));
    co_return;
  }
  const bool is_other = *plan_ != plan;
  const Result<void> checked = co_await barrier_->check();
  if (!is_other && checked) {
    note(checked);
    co_return;
  }
  const Result<void> raised = co_await barrier_->raise(plan);
  if (!raised && is_other && !redirect::is_busy(raised.error())) {
    co_await raise_anew(std::move(plan), std::move(pin_directory));  // another way may be able to
    co_return;
  }
  if (!raised) {
    note(raised);
    co_return;
  }
  plan_ = std::move(plan);
  const Result<void> again = co_await barrier_->check();  // a cgroup may still be missing
  if (!is_other && again) {
    log::warn("closed IMDS again, which somebody else had opened: {}", checked.error().message());
  }
  note(again);
}

// Takes the first way that works. The way that was used last is tried first, since its guard may be at work;
// where it is in force with another plan, it has just refused this one and is left out. What was in force
// stays until the new way is, and is removed then.
asio::awaitable<void> ImdsClosure::raise_anew(redirect::BarrierPlan plan, std::string pin_directory) {
  if (looks_in_vain_++ % kLooksBetweenTries != 0) {
    co_return;
  }
  Result<void> raised = Error::from_errno(ENOTSUP, "close IMDS to users");
  if (barrier_ && !plan_) {
    raised = co_await barrier_->raise(plan);
  }
  if (!raised) {
    std::string tried = barrier_ ? std::string(barrier_->name()) : std::string();
    Result<std::unique_ptr<redirect::Barrier>> barrier =
        co_await redirect::raise_barrier(plan, std::move(pin_directory), std::move(tried));
    if (!barrier) {
      note(barrier.error());
      co_return;
    }
    co_await lower();
    barrier_ = std::move(*barrier);
  }
  looks_in_vain_ = 0;
  plan_ = std::move(plan);
  const Result<void> checked = co_await barrier_->check();
  note(checked);
  log::info("IMDS itself is closed to users whom no rule names, by {}", barrier_->name());
}

asio::awaitable<void> ImdsClosure::lower() {
  if (!plan_) {
    co_return;
  }
  plan_.reset();
  removal_ = co_await barrier_->lower();
  if (removal_) {
    log::info("IMDS itself is open to all users again");
  } else {
    log::error(
        "cannot open IMDS to all users: {}; msi2imds-guard, a process that stays behind, goes on trying",
        removal_.error().message());
  }
}

asio::awaitable<void> ImdsClosure::open() {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  failure_ = "connections are let through";
  looks_in_vain_ = 0;
  co_await lower();
}

asio::awaitable<void> ImdsClosure::end(bool successor_serves) {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  has_ended_ = true;
  failure_ = "the service is being stopped";
  if (successor_serves && plan_ && barrier_->hand_over()) {
    plan_.reset();
  }
  co_await lower();
}

// Removes what is left of ways that are not in force. A way in force has taken over what it found of its own.
asio::awaitable<void> ImdsClosure::remove_leftovers(std::string pin_directory) {
  if (!leavings_.are_possible()) {
    co_return;
  }
  std::string raised = plan_ ? std::string(barrier_->name()) : std::string();
  const redirect::Leftovers leftovers =
      co_await redirect::remove_barriers_but(std::move(raised), std::move(pin_directory));
  leavings_.tell(leftovers);
}

void ImdsClosure::note(const Result<void>& outcome) {
  failure_ = outcome ? std::string() : outcome.error().message();
  if (!outcome && logged_failure_ != failure_) {
    log::error("IMDS itself is not closed to users as it should be: cannot {}", failure_);
  }
  logged_failure_ = failure_;
}

admin::DirectImds ImdsClosure::describe(const config::Config& config) const {
  admin::DirectImds direct;
  if (!config::refuses_somebody(config)) {
    direct.state = "nobody_refused";
  } else if (!config.policy.close_imds) {
    direct.state = "open";
  } else if (plan_ && failure_.empty()) {
    direct.state = "closed";
    direct.closed_by = barrier_->name();
  } else {
    direct.state = "not_closed";
    direct.failure = failure_;
  }
  return direct;
}

}  // namespace msi2imds::supervisor
