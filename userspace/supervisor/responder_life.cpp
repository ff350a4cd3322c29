// SPDX-License-Identifier: MIT
// A responder, from its start to its end, and the next one.
#include <boost/asio/post.hpp>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "accounts/accounts.hpp"
#include "base/log.hpp"
#include "base/pipe.hpp"
#include "base/spawn.hpp"
#include "config/write.hpp"
#include "netlink/sock_diag.hpp"
#include "supervisor/still_accepts.hpp"
#include "supervisor/supervisor.hpp"

namespace msi2imds::supervisor {
namespace {

// After so many responders in a row that ended before they served, what is kept for them may be the cause.
constexpr int kStartsBeforeDoubt = 2;
// How long a process may take to end after its channel has.
constexpr std::chrono::milliseconds kExitPatience{1000};
// After so many messages of a responder, the rest of the process gets its turn.
constexpr std::size_t kMessagesInATurn = 32;

}  // namespace

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
      co_return Error({}, "start the responder");
    }
    containers_.close();
    co_await interception_.fail_open("the responder cannot serve; connections are let through");
    co_await closure_.open();
    if (!std::exchange(lets_through_, true)) {
      log::write(log::Level::error,
                 fmt::format("connections are let through: no responder can serve them; the next attempt is "
                             "made in {} s, and then every few",
                             wait.count()),
                 {.message_id = log::kLetThrough});
    }
    if (!stopping_) {
      back_off_.expires_after(wait);
      (void)co_await back_off_.async_wait(kAsTuple);
    }
  }
  co_return Result<void>();
}

// Attempts follow one another every few seconds, for as long as it takes.
void Supervisor::tell_failed_start(const std::string& why) {
  if (start_failure_.is_new(why)) {
    log::error("{}", why);
  }
}

// One responder, from its start to its end.
asio::awaitable<Outcome> Supervisor::run_responder() {
  responder_ready_ = false;
  responder_hung_ = false;
  responder_is_sent_away_ = false;
  const bool is_prepared = co_await prepare_for_responder();
  if (!is_prepared || !start_responder()) {
    co_return Outcome::never_ready;
  }
  const Result<void> handed_over = hand_over(responder_->channel());
  if (handed_over) {
    ++starts_in_vain_;
    heartbeat_.heard();
    following_ = true;
    co_await follow_responder(responder_->channel());
    following_ = false;
  } else {
    tell_failed_start("cannot hand over to the responder: " + handed_over.error().message());
    responder_is_sent_away_ = true;
    responder_->kill();
  }

  const pid_t pid = responder_->pid();
  const std::string ending = co_await responder_->wait_for_end(kExitPatience);
  responder_.reset();
  if (stopping_) {
    log::info("responder {} has drained: {}", pid, ending);
  } else if (responder_ready_ || responder_hung_) {
    log::write(log::Level::error, fmt::format("responder {} ended: {}", pid, ending),
               {.message_id = log::kResponderEnded});
  } else if (!responder_is_sent_away_) {
    tell_failed_start("the responder ended before it served: " + ending);
  }
  co_return !responder_ready_ ? Outcome::never_ready : responder_hung_ ? Outcome::hung : Outcome::died;
}

// Whether there is something to hand over to it.
asio::awaitable<bool> Supervisor::prepare_for_responder() {
  if (mode_ == Mode::serve && !interception_.is_prepared()) {  // failed open before
    const Result<void> prepared = co_await interception_.prepare(config_);
    if (!prepared) {
      tell_failed_start("cannot " + prepared.error().message());
      co_return false;
    }
  }
  if (stopping_) {
    co_return false;
  }
  // A new responder with sockets that the last one has shut down would be ended for it, too.
  sockets_replaced_ += co_await interception_.replace_dead_sockets();
  sockets_replaced_ += records_.drop_dead_socket() ? 1 : 0;
  co_await replace_dead_admin_socket();
  co_return !stopping_;
}

bool Supervisor::start_responder() {
  Result<std::unique_ptr<ResponderProcess>> process = ResponderProcess::start(io_, user_, empty_directory_);
  if (!process) {
    tell_failed_start("cannot " + process.error().message());
    return false;
  }
  responder_ = std::move(*process);
  ++responders_started_;
  identities_.start_anew();
  if (starts_in_vain_ >= kStartsBeforeDoubt) {
    token_memory_.wipe();
  }
  return true;
}

Result<void> Supervisor::hand_over(control::Channel& channel) {
  Result<void> configured = hand_over_configuration(channel);
  if (!configured) {
    return configured;
  }
  if (mode_ == Mode::serve) {
    hand_over_token_memory(channel);  // before anybody can ask for a flush
  }
  control::Message message;
  if (admin_socket_) {
    message.kind = control::Kind::admin_socket;
    Result<void> sent = channel.send(message, admin_socket_->fd());
    if (!sent) {
      return sent;
    }
  }
  records_.hand_over(config_, channel, true);
  // Without it callers stay unknown, which is no reason not to serve them.
  const Result<UniqueFd> sock_diag = netlink::SockDiag::open_socket();
  identification_shortcoming_ =
      sock_diag ? std::string() : "callers cannot be identified: " + sock_diag.error().message();
  if (sock_diag) {
    message.kind = control::Kind::sock_diag;
    (void)channel.send(message, sock_diag->get());
  } else {
    log::warn("{}", identification_shortcoming_);
  }
  hand_over_noted_connections(channel);
  const Result<void> sent = hand_over_sockets(channel);
  return sent ? containers_.hand_over(channel) : sent;
}

// Without it the responder asks about each connection; one that does not take it is replaced.
void Supervisor::hand_over_noted_connections(control::Channel& channel) {
  attachment_told_of_ = observation_.attachments();
  control::Message message;
  message.kind = control::Kind::noted_connections;
  message.number = attachment_told_of_;
  (void)channel.send(message, observation_.noted_connections());
}

Result<void> Supervisor::hand_over_configuration(control::Channel& channel) {
  identities_.want_sha256(config::has_rule_on_sha256(config_));
  const Result<UniqueFd> pipe = pipe_with(config::to_toml(config_));
  if (!pipe) {
    return pipe.error();
  }
  control::Message message;
  message.kind = control::Kind::configure;
  message.set_text(accounts::owners_of_uids());
  return channel.send(message, pipe->get());
}

Result<void> Supervisor::hand_over_sockets(control::Channel& channel) {
  control::Message message;
  message.kind = control::Kind::add_listener;
  for (const int socket : interception_.sockets()) {
    Result<void> sent = channel.send(message, socket);
    if (!sent) {
      return sent;
    }
  }
  message.kind = control::Kind::serve;
  return channel.send(message);
}

void Supervisor::hand_over_token_memory(control::Channel& channel) {
  control::Message message;
  message.kind = control::Kind::token_memory;
  const std::string directory = std::filesystem::path(config_.admin.socket).parent_path().string();
  const Result<UniqueFd> memory = token_memory_.prepare(config_.tokens.max_bytes, directory);
  if (memory) {
    (void)channel.send(message, memory->get());  // a responder that does not take it is replaced
  } else {
    log::info("tokens do not outlast a responder: cannot {}", memory.error().message());
  }
}

// Acts on what the responder says until it is gone. What it said before its end counts, too. However much it
// says, others get their turn, and no more of its questions are under way than fit into a bounded memory; the
// others wait in its own.
asio::awaitable<void> Supervisor::follow_responder(control::Channel& channel) {
  answers_.open();
  channel.when_closed([this, ours = responders_started_] {
    if (ours == responders_started_) {
      answers_.close();
    }
  });
  for (std::size_t messages = 1;; ++messages) {
    Result<control::Received> received = co_await channel.receive();
    if (!received) {
      if (received.error().code() != boost::system::errc::connection_reset) {
        log::error("responder {} is ended, since what it says is no message: cannot {}", responder_->pid(),
                   received.error().message());
        responder_->kill();
      }
      co_return;
    }
    heartbeat_.heard();
    const bool understood = act_on(channel, std::move(*received));
    if (!understood) {
      responder_->kill();
      co_return;
    }
    if (messages % kMessagesInATurn == 0) {
      co_await asio::post(io_, asio::use_awaitable);
    }
    co_await answers_.wait_for_room();
  }
}

// False: no honest responder says that.
bool Supervisor::act_on(control::Channel& channel, control::Received received) {
  const control::Message& message = received.message;
  bool understood = !received.descriptor;  // a responder has no reason to send one
  if (understood) {
    switch (message.kind) {
      case control::Kind::alive:
        break;
      case control::Kind::ready:
        spawn(io_, "begin to serve", begin_serving());
        break;
      case control::Kind::open_upstream:
      case control::Kind::open_usage_file:
        answer(channel, message);
        break;
      case control::Kind::ask_redirection:
        answer_apart("answer about the redirection", answer_about_redirection(message.id));
        break;
      case control::Kind::ask_identities:
        answer_apart("answer about callers", answer_about_callers(message));
        break;
      case control::Kind::notes_dropped:
        observation_.stop_noting(message.number);
        break;
      case control::Kind::save_usage_file:
        records_.save_usage_file(message.number);
        break;
      case control::Kind::damaged_usage_file:
        understood = records_.set_usage_file_aside(message.get_text());
        break;
      default:
        understood = false;
        break;
    }
  }
  if (!understood) {
    log::error("responder {} is ended, since it sent what no responder sends: kind {}{}", responder_->pid(),
               static_cast<std::uint32_t>(message.kind), received.descriptor ? " with a descriptor" : "");
  }
  return understood;
}

void Supervisor::answer_apart(const char* what, asio::awaitable<void> answer) {
  answers_.begin();
  spawn(io_, what, count_answer(std::move(answer)));
}

asio::awaitable<void> Supervisor::count_answer(asio::awaitable<void> answer) {
  co_await std::move(answer);
  answers_.end();
}

// Nobody but the responder could have shut its sockets down, so somebody has taken it over.
void Supervisor::distrust_responder(std::size_t dead_sockets) {
  sockets_replaced_ += dead_sockets;
  if (dead_sockets > 0 && responder_ && !stopping_) {
    log::error("responder {} is ended, since a socket that it holds was shut down", responder_->pid());
    responder_->kill();
  }
}

asio::awaitable<void> Supervisor::replace_dead_admin_socket() {
  const bool is_dead = admin_socket_ && !still_accepts(admin_socket_->fd());
  if (is_dead) {
    admin_socket_.reset();  // its file goes with it
  }
  if (admin_socket_ || stopping_ || std::exchange(opening_admin_socket_, true)) {
    co_return;
  }
  Result<AdminSocket> opened = co_await AdminSocket::open(config_.admin.socket, user_.gid);
  opening_admin_socket_ = false;
  if (opened) {
    admin_socket_.emplace(std::move(*opened));
    log::error("the admin socket accepted nobody any more, and was replaced");
  } else if (is_dead) {
    log::error("cannot {}", opened.error().message());
  }
  distrust_responder(opened ? 1 : 0);
}

// Callers come only once there is somebody to serve them.
asio::awaitable<void> Supervisor::begin_serving() {
  if (responder_ready_ || stopping_ || !responder_) {
    co_return;
  }
  starts_in_vain_ = 0;
  responder_ready_ = true;
  log::info("responder {} serves as {}", responder_->pid(), user_.name);
  if (mode_ == Mode::serve) {
    const std::uint64_t ours = responders_started_;
    const Result<void> attached = co_await interception_.attach();
    if (stopping_) {
      co_return;
    }
    if (!attached) {
      tell_failed_start("cannot redirect connections: " + attached.error().message());
      if (responder_ && ours == responders_started_) {
        responder_ready_ = false;  // counts as a failed start: tried again with back-off
        responder_is_sent_away_ = true;
        responder_->kill();
      }
      co_return;
    }
    discovery_.keep(waagent::places_of(config_), config_.legacy.ports.front());
    containers_.follow(config_.legacy);
  }
  start_failure_.forget();
  lets_through_ = false;
  if (!std::exchange(announced_, true)) {
    service_manager_.notify("READY=1");
    spawn(io_, "feed the service manager's watchdog", feed_service_manager());
  }
  // What runs host programs comes last, since callers are served already.
  if (mode_ == Mode::serve) {
    co_await closure_.follow(config_);
  }
  co_await interception_.remove_leftovers_of_others();
}

// Ends a responder that drains for too long.
asio::awaitable<void> Supervisor::limit_drain(std::chrono::milliseconds limit) {
  drain_timer_.expires_after(limit);
  const auto [ec] = co_await drain_timer_.async_wait(kAsTuple);
  if (!ec && responder_) {
    log::warn("responder {} still has requests after {} ms: it is killed", responder_->pid(), limit.count());
    responder_->kill();
  }
}

}  // namespace msi2imds::supervisor
