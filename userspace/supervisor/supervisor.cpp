// SPDX-License-Identifier: MIT
#include "supervisor/supervisor.hpp"

#include <fmt/format.h>
#include <filesystem>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"
#include "config/warnings.hpp"
#include "confinement/root_directory.hpp"
#include "loader/cgroup.hpp"
#include "loader/libbpf.hpp"
#include "supervisor/descriptor_limit.hpp"
#include "supervisor/precedence.hpp"
#include "supervisor/privileges.hpp"
#include "supervisor/redirect_plan.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr std::chrono::seconds kWatchInterval{1};
// How long the end waits for the disk.
constexpr std::chrono::milliseconds kLastSave{2000};
// Half as many messages suffice to ask about the callers of all connections that a responder may have.
constexpr std::size_t kMostAnswers = 512;

}  // namespace

Supervisor::Supervisor(asio::io_context& io, config::Config config, Load load,
                       std::vector<UniqueFd> inherited, Mode mode)
    : io_(io),
      config_(std::move(config)),
      load_(std::move(load)),
      mode_(mode),
      token_memory_(service_manager_, inherited),
      interception_(io, std::move(inherited), [this] { look_at_once(); }),
      closure_(io),
      discovery_(io),
      observation_(io),
      identities_(io, [this] { return responder_ ? &responder_->channel() : nullptr; }),
      containers_(io, identities_, [this] { return responder_ ? &responder_->channel() : nullptr; }),
      answers_(io, kMostAnswers),
      signals_(io, SIGTERM, SIGINT, SIGHUP),
      back_off_(io),
      watch_timer_(io),
      repair_timer_(io),
      drain_timer_(io),
      service_manager_timer_(io),
      change_(io),
      observed_told_(io) {
  for (const int signal : {SIGQUIT /* another key of the terminal */, kStopForGood, step_aside_signal()}) {
    signals_.add(signal);
  }
}

asio::awaitable<Result<void>> Supervisor::run() {
  const Result<void> given_up = give_up_others_files();
  if (!given_up) {
    co_return given_up;
  }
  spawn(io_, "handle signals", handle_signals());  // first: all that follows may have to wait for others
  const Result<void> prepared = co_await prepare();
  if (!prepared && !stopping_) {
    (void)co_await interception_.give_back_inheritance(config_);
    co_return prepared;
  }
  const Result<void> confined = confine();
  if (!confined) {
    (void)co_await interception_.give_back_inheritance(config_);
    co_return confined;
  }
  spawn(io_, "watch the responder", watch());
  if (mode_ == Mode::serve) {
    spawn(io_, "keep the redirection in force", keep_in_force());
  }
  const Result<void> result = co_await keep_responder_running();
  co_await clean_up();
  interception_.look_after_guards();
  if (result && !interception_.removal()) {
    co_return interception_.removal().error().within("remove the redirection");
  }
  if (result && !closure_.removal()) {
    co_return closure_.removal().error().within("open IMDS to all users");
  }
  co_return result;
}

// All that can fail before there is anything to undo.
asio::awaitable<Result<void>> Supervisor::prepare() {
  const Result<User> user = find_user(config_.responder.user);
  if (!user) {
    co_return user.error();
  }
  user_ = *user;
  if (mode_ == Mode::serve) {
    co_await take_over_from_observer(config_.admin.socket);
  }
  Result<AdminSocket> admin_socket = co_await AdminSocket::open(config_.admin.socket, user_.gid);
  if (!admin_socket) {
    co_return admin_socket.error();
  }
  admin_socket_.emplace(std::move(*admin_socket));
  if (stopping_) {
    co_return Result<void>();
  }
  Result<UniqueFd> empty_directory =
      confinement::make_empty_directory(std::filesystem::path(config_.admin.socket).parent_path().string());
  if (!empty_directory) {
    co_return empty_directory.error();
  }
  empty_directory_ = std::move(*empty_directory);
  raise_descriptor_limit(config_.responder.max_connections, ContainerNetworks::descriptors(config_.legacy));
  if (mode_ == Mode::observe) {
    observe();
    co_return Result<void>();
  }
  warn_of_configuration();
  const Result<void> prepared = co_await interception_.prepare(config_);
  if (!prepared || stopping_) {
    co_return prepared;
  }
  reserve_ports();
  observe();
  co_return Result<void>();
}

// Whatever needs a privilege that is not kept is done before. "auto" has tried the backends up to the first
// that works. Another backend, after a reload, needs only what is kept, since the kernel loads modules for
// whoever has CAP_NET_ADMIN. Only the tool of iptables' old kind loads ip_tables by itself: where nobody has
// used it before, and it was not tried here, that reload fails, and says so (docs/units.md).
Result<void> Supervisor::confine() {
  loader::prepare_libbpf();
  loader::keep_unmounted_root();
  allow_most_descriptors();
  const Result<Capabilities> kept =
      give_up_privileges(mode_ == Mode::serve && !config_.legacy.container_networks.empty());
  if (!kept) {
    return kept.error();
  }
  log::info("capabilities from here on: {}", fmt::join(names_of(*kept), " "));
  return {};
}

asio::awaitable<void> Supervisor::clean_up() {
  const AsyncMutex::Lock change = co_await change_.lock();  // a stop has come to its end
  containers_.close();
  if (!stopping_) {
    co_await interception_.fail_open("the responder cannot serve");
    if (co_await interception_.give_back_inheritance(config_)) {
      reserved_ports_.reset();
    }
    (void)co_await interception_.stop(true);
    co_await closure_.end(false);
  } else if (!tokens_stay_) {
    token_memory_.give_up();
  }
  if (handed_over_ && co_await interception_.take_back_if_abandoned(config_)) {
    (void)ReservedPorts::take_back(reserved_ports_note(config_));  // what cannot be had stays in its note
  }
  co_await records_.finish(kLastSave);
  signals_.cancel();
  for (asio::steady_timer* timer : {&watch_timer_, &repair_timer_, &drain_timer_, &service_manager_timer_}) {
    timer->cancel();
  }
  observation_.stop();
  discovery_.stop();
}

asio::awaitable<void> Supervisor::handle_signals() {
  while (true) {
    const auto [ec, signal] = co_await signals_.async_wait(kAsTuple);
    if (ec) {
      co_return;
    }
    if (signal == SIGHUP) {
      spawn(io_, "reload", reload());
      continue;
    }
    if (signal == step_aside_signal()) {
      if (mode_ == Mode::serve) {
        continue;  // that is for observers
      }
      log::info("step aside: another msi2imds serves from here on, and records who calls by itself");
    }
    if (!std::exchange(stopping_, true)) {
      co_await stop(signal == kStopForGood);
    }
  }
}

// Nothing new is taken from here on; the responder answers what it has, and its end is the end of run(). For
// good: no successor is expected, even if somebody else holds our sockets.
asio::awaitable<void> Supervisor::stop(bool for_good) {
  const AsyncMutex::Lock change = co_await change_.lock();
  service_manager_.notify("STOPPING=1");
  containers_.close();  // who waits there is answered: the responder is told to serve him
  back_off_.cancel();
  // Callers that wait in sockets which are about to be closed have to be answered by us.
  bool is_last = for_good;
  if (!is_last && interception_.are_some_sockets_held_by_others()) {
    is_last = co_await are_inherited_sockets_going();
  }
  // Whoever waits for our word holds what we have given it until the next process comes, or none will.
  tokens_stay_ = !is_last && has_service_manager();
  if (is_last && !interception_.is_attached()) {
    (void)co_await interception_.give_back_inheritance(config_);
  }
  const bool successor_serves = co_await interception_.stop(is_last);
  handed_over_ = successor_serves;
  co_await closure_.end(successor_serves);
  if (successor_serves && reserved_ports_) {
    reserved_ports_->keep();
  }
  reserved_ports_.reset();
  if (mode_ == Mode::observe) {
    co_await finish_observing();
  }
  const std::chrono::milliseconds limit =
      successor_serves ? control::kHandOver : config_.responder.drain_timeout;
  log::info("stop: drain for up to {} ms", limit.count());
  if (!responder_) {
    co_return;
  }
  spawn(io_, "limit the drain", limit_drain(limit));
  control::Message message;
  message.kind = control::Kind::drain;
  message.value =
      static_cast<std::int32_t>(successor_serves ? control::Backlog::leave : control::Backlog::serve);
  message.number = static_cast<std::uint64_t>(limit.count());
  (void)responder_->channel().send(message);  // one that does not take it is ended
}

// What is looked at each second: the responder's life first.
asio::awaitable<void> Supervisor::watch() {
  while (true) {
    watch_timer_.expires_after(kWatchInterval);
    const auto [ec] = co_await watch_timer_.async_wait(kAsTuple);
    if (ec) {
      co_return;
    }
    if (following_ && !responder_hung_ && heartbeat_.is_missed()) {
      log::error("responder {} has not answered for {} s: it is killed", responder_->pid(),
                 control::kHeartbeatMissed.count());
      responder_hung_ = true;
      responder_->kill();
    }
    log::flush();  // what nobody has read yet
    service_manager_.deliver();
    observation_.keep_in_force();
    if (following_ && attachment_told_of_ != observation_.attachments()) {
      hand_over_noted_connections(responder_->channel());
    }
    records_.look_after_saving();
    if (following_) {
      records_.try_again(config_, responder_->channel());
    }
    co_await replace_dead_admin_socket();
    distrust_responder(records_.drop_dead_socket() ? 1 : 0);
    if (interception_.is_attached()) {
      discovery_.keep(waagent::places_of(config_), config_.legacy.ports.front());
    }
  }
}

// Apart from watch(): putting rules back may have to wait for others.
asio::awaitable<void> Supervisor::keep_in_force() {
  while (true) {
    repair_timer_.expires_after(look_at_once_ ? std::chrono::seconds(0) : kWatchInterval);
    const auto [ec] = co_await repair_timer_.async_wait(kAsTuple);
    const bool is_called = std::exchange(look_at_once_, false);
    if ((ec && !is_called) || stopping_) {
      co_return;
    }
    interception_.look_after_guards();
    distrust_responder(co_await interception_.replace_dead_sockets());
    co_await interception_.keep_in_force();
    if (interception_.is_attached()) {
      co_await closure_.follow(config_);
    } else {
      co_await closure_.open();
    }
    const bool other_sockets = co_await interception_.take_in_new_addresses();
    if (other_sockets && responder_) {
      (void)hand_over_sockets(responder_->channel());  // one that does not take them is replaced
    }
  }
}

// Looks at once instead of at the next second, also where something is being put back just now.
void Supervisor::look_at_once() {
  look_at_once_ = true;
  repair_timer_.cancel();
}

asio::awaitable<void> Supervisor::feed_service_manager() {
  const auto interval = watchdog_interval();
  while (interval) {
    service_manager_.notify("WATCHDOG=1");
    service_manager_timer_.expires_after(*interval);
    const auto [ec] = co_await service_manager_timer_.async_wait(kAsTuple);
    if (ec) {
      co_return;
    }
  }
}

// Where nothing is redirected, nobody is refused.
void Supervisor::warn_of_configuration() {
  warnings_.clear();
  for (const config::Warning& warning : config::warnings_of(config_)) {
    warnings_.push_back(config::to_string(warning));
    log::warn("{}", warnings_.back());
  }
  if (const auto around = config::way_around(config_)) {
    log::warn("{}", config::to_string(*around));
  }
}

// An outgoing connection that has a legacy port as its source port would be in the way of whoever listens
// there.
void Supervisor::reserve_ports() {
  if (reserved_ports_) {
    reserved_ports_->keep();
    reserved_ports_.reset();
  }
  Result<ReservedPorts> reserved = ReservedPorts::reserve(config_.legacy.ports, reserved_ports_note(config_));
  if (reserved) {
    reserved_ports_.emplace(std::move(*reserved));
  } else {
    log::warn("the legacy ports are not reserved: cannot {}", reserved.error().message());
  }
}

}  // namespace msi2imds::supervisor
