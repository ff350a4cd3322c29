// SPDX-License-Identifier: MIT
#include "supervisor/supervisor.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <csignal>
#include <utility>

#include "base/log.hpp"
#include "config/warnings.hpp"
#include "supervisor/descriptor_limit.hpp"
#include "supervisor/precedence.hpp"
#include "supervisor/service_manager.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr std::chrono::seconds kWatchInterval{1};
// So many responders in a row that ended before they served may have ended of what is kept for them.
constexpr int kStartsBeforeDoubt = 2;

}  // namespace

Supervisor::Supervisor(asio::io_context& io, config::Config config, Load load,
                       std::vector<UniqueFd> inherited, Mode mode)
    : io_(io),
      config_(std::move(config)),
      load_(std::move(load)),
      mode_(mode),
      token_memory_(inherited),
      sockets_(std::move(inherited)),
      callers_(io),
      signals_(io, SIGTERM, SIGINT, SIGHUP),
      back_off_(io),
      watch_timer_(io),
      drain_timer_(io),
      service_manager_timer_(io),
      look_timer_(io) {
  signals_.add(SIGQUIT);  // another key of the terminal
}

asio::awaitable<Result<void>> Supervisor::run() {
  const Result<void> prepared = prepare();
  if (!prepared) {
    give_back_inheritance();
    co_return prepared;
  }
  signals_.add(kStopForGood);
  if (mode_ == Mode::observe) {
    signals_.add(step_aside_signal());
  }
  asio::co_spawn(io_, handle_signals(), asio::detached);
  asio::co_spawn(io_, watch(), asio::detached);
  const Result<void> result = co_await keep_responder_running();

  if (!stopping_) {
    fail_open();
    give_back_inheritance();
  }
  if (stopping_ && !tokens_stay_) {
    token_memory_.give_up();
  }
  sockets_.close_all();
  signals_.cancel();
  watch_timer_.cancel();
  drain_timer_.cancel();
  service_manager_timer_.cancel();
  look_timer_.cancel();
  callers_.stop_reports();
  if (discovery_watch_) {
    discovery_watch_->cancel();
  }
  co_return result;
}

// All that can fail before there is anything to undo.
Result<void> Supervisor::prepare() {
  const Result<User> user = find_user(config_.responder.user);
  if (!user) {
    return user.error();
  }
  user_ = *user;
  if (mode_ == Mode::serve) {
    take_over_from_observer(config_.admin.socket);
  }
  Result<AdminSocket> admin_socket = AdminSocket::open(config_.admin.socket, user_.gid);
  if (!admin_socket) {
    return admin_socket.error();
  }
  admin_socket_.emplace(std::move(*admin_socket));
  raise_descriptor_limit(config_.responder.max_connections);
  if (mode_ == Mode::observe) {
    observe();
    return {};
  }
  warn_of_configuration();
  Result<Interception> interception = plan_interception(config_);
  if (!interception) {
    return interception.error();
  }
  interception_ = std::move(*interception);
  reserve_ports();
  callers_.start(config_, false);
  return {};
}

// Where nothing is redirected, nobody is refused.
void Supervisor::warn_of_configuration() {
  warnings_.clear();
  for (const config::Warning& warning : config::warnings_of(config_)) {
    warnings_.push_back(config::to_string(warning));
    log::warn("{}", warnings_.back());
  }
}

// A responder that dies is replaced at once, while connections wait in the listening sockets. One that cannot
// serve must not keep callers waiting: they are let through to whatever is there without us.
asio::awaitable<Result<void>> Supervisor::keep_responder_running() {
  RestartPolicy policy;
  while (!stopping_) {
    const auto started = std::chrono::steady_clock::now();
    const Outcome outcome = co_await run_responder();
    if (stopping_) {
      break;
    }
    const std::chrono::seconds wait = policy.after(outcome, std::chrono::steady_clock::now() - started);
    if (wait == std::chrono::seconds(0)) {
      continue;
    }
    if (!announced_) {
      co_return Error({}, "the responder could not be started");
    }
    log::error("let connections through: no responder can serve them; next attempt in {} s", wait.count());
    fail_open();
    back_off_.expires_after(wait);
    (void)co_await back_off_.async_wait(kAsTuple);
  }
  co_return Result<void>();
}

// One responder, from its start to its end.
asio::awaitable<Outcome> Supervisor::run_responder() {
  responder_ready_ = false;
  responder_hung_ = false;
  last_heard_ = std::chrono::steady_clock::now();
  Result<std::unique_ptr<ResponderProcess>> process = ResponderProcess::start(io_, user_);
  if (!process) {
    log::error("{}", process.error().message());
    co_return Outcome::never_ready;
  }
  responder_ = std::move(*process);
  ++responders_started_;
  if (starts_in_vain_ >= kStartsBeforeDoubt) {
    token_memory_.wipe();
  }
  const Result<void> handed_over = hand_over(responder_->channel());
  if (handed_over) {
    ++starts_in_vain_;
    co_await follow_responder(responder_->channel());
  } else {
    log::error("hand over to the responder: {}", handed_over.error().message());
    responder_->kill();
  }

  const pid_t pid = responder_->pid();
  const std::string ending = responder_->wait();
  responder_.reset();
  if (stopping_) {
    log::info("responder {} has drained: {}", pid, ending);
  } else {
    log::error("responder {} ended: {}", pid, ending);
  }
  co_return !responder_ready_ ? Outcome::never_ready : responder_hung_ ? Outcome::hung : Outcome::died;
}

// Acts on what the responder says until it is gone.
asio::awaitable<void> Supervisor::follow_responder(control::Channel& channel) {
  while (true) {
    const Result<control::Received> received = co_await channel.receive();
    if (!received) {
      // Whoever closed the channel or sent nonsense is of no use any more, running or not.
      responder_->kill();
      co_return;
    }
    last_heard_ = std::chrono::steady_clock::now();
    switch (received->message.kind) {
      case control::Kind::ready:
        on_ready();
        break;
      case control::Kind::open_upstream:
      case control::Kind::ask_redirection:
      case control::Kind::ask_identity:
      case control::Kind::open_callers_state:
        answer(channel, received->message);
        break;
      case control::Kind::save_callers:
        save_callers(received->message.number);
        break;
      case control::Kind::damaged_callers:
        set_callers_aside(received->message.get_text());
        break;
      case control::Kind::ask_callers:
        asio::co_spawn(io_, answer_about_callers(received->message), asio::detached);
        break;
      default:  // alive
        break;
    }
  }
}

void Supervisor::on_ready() {
  starts_in_vain_ = 0;
  if (responder_ready_ || stopping_) {
    return;
  }
  responder_ready_ = true;
  log::info("responder {} serves as {}", responder_->pid(), user_.name);
  if (mode_ == Mode::serve && !interception_.redirection) {
    const Result<void> attached = attach();
    if (!attached) {
      attach_failure_ = attached.error().message();
      log::error("redirect connections: {}", attach_failure_);
      responder_ready_ = false;  // counts as a failed start: tried again with back-off
      responder_->kill();
      return;
    }
    keep_discovery_file();
  }
  if (!announced_) {
    announced_ = true;
    notify_service_manager("READY=1");
    asio::co_spawn(io_, feed_service_manager(), asio::detached);
  }
}

asio::awaitable<void> Supervisor::handle_signals() {
  while (true) {
    const auto [ec, signal] = co_await signals_.async_wait(kAsTuple);
    if (ec) {
      co_return;
    }
    if (signal == SIGHUP) {
      reload();
      continue;
    }
    if (signal == step_aside_signal()) {
      log::info("step aside: another msi2imds serves from here on, and records who calls by itself");
    }
    stop(signal == kStopForGood);
  }
}

// Nothing new is taken from here on; the responder answers what it has, and its end is the end of run(). For
// good: no successor is expected, even if somebody else holds our sockets.
void Supervisor::stop(bool for_good) {
  if (stopping_) {
    return;
  }
  stopping_ = true;
  notify_service_manager("STOPPING=1");
  // Callers that wait in sockets which are about to be closed have to be answered by us.
  const bool is_last = for_good || (sockets_.are_some_held_by_others() && are_inherited_sockets_going());
  // Whoever waits for our word holds what we have given it until the next process comes, or none will.
  tokens_stay_ = !is_last && has_service_manager();
  const bool successor_serves = !is_last && hand_over_to_successor();
  interception_.redirection.reset();
  if (successor_serves && reserved_ports_) {
    reserved_ports_->keep();
  }
  reserved_ports_.reset();
  sockets_.close_all();
  back_off_.cancel();
  const std::chrono::milliseconds limit =
      successor_serves ? control::kHandOver : config_.responder.drain_timeout;
  log::info("stop: drain for up to {} ms", limit.count());
  if (responder_) {
    asio::co_spawn(io_, limit_drain(limit), asio::detached);
    control::Message message;
    message.kind = control::Kind::drain;
    message.value =
        static_cast<std::int32_t>(successor_serves ? control::Backlog::leave : control::Backlog::serve);
    message.number = static_cast<std::uint64_t>(limit.count());
    const Result<void> sent = responder_->channel().send(message);
    if (!sent) {
      responder_->kill();
    }
  }
}

// Ends a responder that drains for too long.
asio::awaitable<void> Supervisor::limit_drain(std::chrono::milliseconds limit) {
  drain_timer_.expires_after(limit);
  const auto [ec] = co_await drain_timer_.async_wait(kAsTuple);
  if (!ec && responder_) {
    log::warn("responder {} still has requests after {} ms: end it", responder_->pid(), limit.count());
    responder_->kill();
  }
}

// Ends a responder that hangs.
asio::awaitable<void> Supervisor::watch() {
  while (true) {
    watch_timer_.expires_after(kWatchInterval);
    const auto [ec] = co_await watch_timer_.async_wait(kAsTuple);
    if (ec) {
      co_return;
    }
    keep_in_force();
    callers_.keep_observing();
    if (interception_.redirection) {
      keep_discovery_file();
    }
    const auto now = std::chrono::steady_clock::now();
    if (!responder_) {
      continue;
    }
    if (now - last_heard_ > control::kHeartbeatMissed) {
      log::error("responder {} has not answered for {} s: end it", responder_->pid(),
                 control::kHeartbeatMissed.count());
      responder_hung_ = true;
      responder_->kill();
    }
  }
}

asio::awaitable<void> Supervisor::feed_service_manager() {
  const auto interval = watchdog_interval();
  while (interval) {
    notify_service_manager("WATCHDOG=1");
    service_manager_timer_.expires_after(*interval);
    const auto [ec] = co_await service_manager_timer_.async_wait(kAsTuple);
    if (ec) {
      co_return;
    }
  }
}

}  // namespace msi2imds::supervisor
