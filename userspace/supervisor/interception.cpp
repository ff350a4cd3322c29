// SPDX-License-Identifier: MIT
#include "supervisor/interception.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"
#include "redirect/nat_redirection.hpp"
#include "redirect/rival.hpp"
#include "supervisor/redirect_plan.hpp"

namespace msi2imds::supervisor {

namespace {

// Most operations have ended by then.
constexpr std::chrono::milliseconds kDescribePatience{1000};
constexpr std::chrono::milliseconds kLook{5};

}  // namespace

Interception::Interception(asio::io_context& io, std::vector<UniqueFd> inherited,
                           std::function<void()> on_alarm)
    : io_(io), on_alarm_(std::move(on_alarm)), turn_(io), sockets_(std::move(inherited)) {}

// Only where connections can wait for the next process may the redirection outlive this one.
redirect::Plan Interception::plan_of(const config::Config& config) const {
  redirect::Plan plan = redirect_plan(config);
  plan.may_outlive_us = sockets_.is_held_by_others(SocketAddress::ipv4_loopback(plan.listen_port));
  return plan;
}

asio::awaitable<Result<Interception::Way>> Interception::plan_way(redirect::Plan plan, std::string backend) {
  Result<redirect::Choice> choice = co_await redirect::choose(backend, plan);
  if (!choice) {
    co_return choice.error();
  }
  const bool are_new = refusals_.is_new(fmt::format("{}", fmt::join(choice->refused, "\n")));
  for (const std::string& refused : choice->refused) {
    if (are_new) {
      log::warn("cannot use {}", refused);
    }
  }
  Way way;
  way.plan = std::move(plan);
  way.backend = std::move(backend);
  way.redirector = std::move(choice->redirector);
  Result<std::vector<redirect::Listener>> listeners =
      sockets_.open(way.redirector->listen_addresses(way.plan));
  if (!listeners) {
    co_return listeners.error();
  }
  way.listeners = std::move(*listeners);
  co_return way;
}

asio::awaitable<Result<void>> Interception::prepare(const config::Config& config) {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  Result<Way> way = co_await plan_way(plan_of(config), config.redirect.backend);
  if (!way) {
    close_old_sockets();
    co_return way.error();
  }
  way_ = std::move(*way);
  close_old_sockets();
  co_return Result<void>();
}

asio::awaitable<Result<void>> Interception::install(Way& way) {
  auto redirection = co_await way.redirector->install(way.plan, way.listeners);
  if (!redirection) {
    co_return redirection.error();
  }
  way.redirection = std::move(*redirection);
  co_return Result<void>();
}

asio::awaitable<Result<void>> Interception::attach() {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  if (is_attached()) {
    co_return Result<void>();
  }
  if (!is_prepared()) {
    co_return Error::from_errno(ECANCELED, "redirect connections");  // failed open meanwhile
  }
  failure_ = "the redirection is being put in force";
  const Result<void> installed = co_await install(way_);
  failure_ = installed ? std::string() : installed.error().message();
  if (installed) {
    listen_for_alarm();
    log::write(log::Level::info, fmt::format("redirect with {}", way_.redirector->name()),
               {.message_id = log::kRedirected});
  }
  co_return installed;
}

// An earlier process may have had another backend, or another configuration.
asio::awaitable<void> Interception::remove_leftovers_of_others() {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  co_await remove_leftovers();
}

asio::awaitable<void> Interception::remove_leftovers() {
  if (!leavings_.are_possible() || !is_attached()) {
    co_return;
  }
  const redirect::Leftovers leftovers =
      co_await redirect::remove_leftovers_of_others(way_.plan, *way_.redirector);
  leavings_.tell(leftovers);
}

asio::awaitable<Result<void>> Interception::check() {
  Result<void> checked = co_await way_.redirection->check();
  failure_ = checked ? std::string() : checked.error().message();
  co_return checked;
}

// A redirection is lost when a firewall is reloaded, or a service is restarted in a new cgroup.
asio::awaitable<void> Interception::keep_in_force() {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  if (!is_attached()) {
    co_return;
  }
  const Result<void> checked = co_await check();
  if (checked) {
    repair_failure_.forget();
    co_await remove_leftovers();
    co_return;
  }
  const Result<void> repaired = co_await way_.redirection->repair();
  if (repaired) {
    failure_.clear();
    repair_failure_.forget();
    log::warn("redirected again what somebody else had removed: {}", checked.error().message());
  } else if (repair_failure_.is_new(repaired.error().message())) {
    log::error("cannot redirect again: {}", repaired.error().message());
  }
}

asio::awaitable<bool> Interception::take_in_new_addresses() {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  if (!is_attached()) {
    co_return false;
  }
  const std::vector<SocketAddress> opened =
      sockets_.open_missing(way_.redirector->listen_addresses(way_.plan));
  if (opened.empty()) {
    co_return false;
  }
  const Result<void> gone_over = co_await go_over_to_present_sockets();
  if (gone_over) {
    address_failure_.forget();
    log::info("serve {}, which this host did not have before", opened.front().to_string());
    co_return true;
  }
  close_old_sockets();
  if (address_failure_.is_new(gone_over.error().message())) {
    log::error("cannot serve {}, which this host did not have before: {}", opened.front().to_string(),
               gone_over.error().message());
  }
  co_return false;
}

asio::awaitable<Result<void>> Interception::go_over_to_present_sockets() {
  Result<Way> way = co_await plan_way(way_.plan, way_.backend);
  if (!way) {
    co_return way.error();
  }
  co_return co_await go_over_to(std::move(*way));
}

asio::awaitable<std::size_t> Interception::replace_dead_sockets() {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  if (!is_prepared()) {
    co_return 0;
  }
  const std::vector<SocketAddress> dead = sockets_.replace_dead();
  if (dead.empty()) {
    co_return 0;
  }
  const Result<void> gone_over = co_await go_over_to_present_sockets();
  if (gone_over) {
    for (const SocketAddress& address : dead) {
      log::error("the socket on {} accepted nobody any more, and was replaced", address.to_string());
    }
  } else {
    log::error("cannot lead callers to the sockets that replace those that accepted nobody any more: {}",
               gone_over.error().message());
  }
  co_return dead.size();
}

asio::awaitable<Result<bool>> Interception::reload(const config::Config& config) {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  if (!is_prepared()) {
    co_return false;  // failed open: prepare() comes before the next attempt
  }
  redirect::Plan plan = plan_of(config);
  if (plan == way_.plan && config.redirect.backend == way_.backend) {
    co_return false;
  }
  Result<Way> way = co_await plan_way(std::move(plan), config.redirect.backend);
  Result<void> gone_over;
  if (way) {
    gone_over = co_await go_over_to(std::move(*way));
  } else {
    gone_over = way.error();
  }
  if (!gone_over) {
    close_old_sockets();
    co_return gone_over.error();
  }
  co_return true;
}

// The new redirection takes the place of the old one, without a gap between them.
asio::awaitable<Result<void>> Interception::go_over_to(Way way) {
  if (is_attached()) {
    const auto began = std::chrono::steady_clock::now();
    const Result<void> installed = co_await install(way);
    if (!installed) {
      co_return installed;
    }
    // What is left of one patience for all of it.
    way_.redirection->limit_patience(std::max(
        std::chrono::milliseconds(0), std::chrono::duration_cast<std::chrono::milliseconds>(
                                          began + way.plan.patience - std::chrono::steady_clock::now())));
    if (way.redirector->name() == way_.redirector->name()) {
      way_.redirection->give_way();
    }
    co_await detach();  // assignment alone would destroy in the order of the members
    failure_.clear();
  }
  way_ = std::move(way);
  listen_for_alarm();
  co_return Result<void>();
}

asio::awaitable<void> Interception::detach() {
  if (is_attached()) {
    removal_ = co_await way_.redirection->remove();
    way_.redirection.reset();
    listen_for_alarm();
    if (!removal_) {
      log::error(
          "cannot remove the redirection: {}; msi2imds-guard, a process that stays behind, goes on trying",
          removal_.error().message());
    }
  }
}

// Listens to the alarm of the redirection in force, if it has one.
void Interception::listen_for_alarm() {
  if (alarm_) {
    alarm_->cancel();
    alarm_.reset();
  }
  const int alarm = is_attached() ? way_.redirection->alarm() : -1;
  UniqueFd own(alarm < 0 ? -1 : ::fcntl(alarm, F_DUPFD_CLOEXEC, 0));
  if (own) {
    alarm_ = std::make_shared<asio::posix::stream_descriptor>(io_, own.release());
    spawn(io_, "listen for the redirection's alarm", pass_on(alarm_));
  }
}

asio::awaitable<void> Interception::pass_on(std::shared_ptr<asio::posix::stream_descriptor> alarm) const {
  while (true) {
    const auto [ec] = co_await alarm->async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    if (ec || alarm != alarm_) {
      co_return;
    }
    if (is_attached() && way_.redirection->heed_alarm()) {
      on_alarm_();
    }
  }
}

void Interception::look_after_guards() {
  const bool are_rules_left = redirect::are_rules_left_to_guards();
  if (!removal_ && !are_rules_left) {
    log::info("msi2imds-guard has removed the redirection");
    removal_ = Result<void>();
  }
}

asio::awaitable<void> Interception::look() {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  if (is_attached()) {
    (void)co_await check();
  }
}

// The check runs beside this, since it may have to wait for other tools, and whoever asks does not wait long.
asio::awaitable<InterceptionState> Interception::describe() {
  if (!turn_.is_locked()) {
    spawn(io_, "look at the redirection", look());
  }
  asio::steady_timer timer(io_);
  auto waited = kLook;
  do {
    timer.expires_after(kLook);
    (void)co_await timer.async_wait(kAsTuple);
    waited += kLook;
  } while (turn_.is_locked() && waited <= kDescribePatience);
  InterceptionState state;
  state.backend = way_.redirector ? std::string(way_.redirector->name()) : std::string("none");
  state.failure = failure_;
  if (is_attached()) {
    state.in_force = failure_.empty();
    state.covers_ipv6 = way_.redirection->covers_ipv6();
    state.remarks = way_.redirection->remarks();
  }
  co_return state;
}

std::optional<SocketAddress> Interception::dialled_by(std::uint64_t cookie) const {
  return is_attached() ? way_.redirection->dialled_by(cookie) : std::nullopt;
}

asio::awaitable<void> Interception::fail_open(std::string why) {
  is_failing_open_ = true;
  spawn(io_, "turn callers away", turn_callers_away());
  const AsyncMutex::Lock turn = co_await turn_.lock();
  failure_ = std::move(why);
  co_await detach();
  way_.listeners.clear();
  sockets_.close_own();
  sockets_.turn_callers_away();
  is_failing_open_ = false;
}

// The redirection may take its time to go; until then callers are led to us.
asio::awaitable<void> Interception::turn_callers_away() {
  asio::steady_timer timer(io_);
  while (is_failing_open_) {
    sockets_.turn_callers_away();
    timer.expires_after(kLook);
    (void)co_await timer.async_wait(kAsTuple);
  }
}

asio::awaitable<bool> Interception::stop(bool for_good) {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  const bool handed_over = !for_good && is_attached() && is_prepared() &&
                           sockets_.can_be_handed_over(way_.listeners) && way_.redirection->hand_over();
  failure_ = "the service is being stopped";
  co_await detach();
  way_.listeners.clear();
  sockets_.close_all();
  co_return handed_over;
}

asio::awaitable<bool> Interception::give_back_inheritance(const config::Config& config) {
  const AsyncMutex::Lock turn = co_await turn_.lock();
  if (!sockets_.are_some_held_by_others()) {
    co_return false;
  }
  co_await let_connections_through(redirect_plan(config));
  co_return true;
}

asio::awaitable<bool> Interception::take_back_if_abandoned(const config::Config& config) {
  const Result<bool> is_held = redirect::does_another_listen_on(config.redirect.listen_port);
  if (!is_held || *is_held) {
    co_return false;
  }
  log::warn("whoever passed the listening sockets to this process has closed them: nobody would serve");
  co_await let_connections_through(redirect_plan(config));
  co_return true;
}

asio::awaitable<void> Interception::let_connections_through(redirect::Plan plan) {
  const redirect::Leftovers leftovers = co_await redirect::remove_all_leftovers(plan);
  for (const std::string& removed : leftovers.removed) {
    log::warn("connections are let through: removed {}", removed);
  }
  for (const std::string& failure : leftovers.failures) {
    log::error("cannot let connections through: {}", failure);
  }
}

}  // namespace msi2imds::supervisor
