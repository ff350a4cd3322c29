// SPDX-License-Identifier: MIT
// The supervisor takes over a changed configuration, or keeps the old one.
#include <sstream>
#include <utility>

#include "accounts/getent.hpp"
#include "base/log.hpp"
#include "supervisor/descriptor_limit.hpp"
#include "supervisor/supervisor.hpp"

namespace msi2imds::supervisor {
namespace {

// One problem a line.
void log_lines(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    log::error("reload: {}", line);
  }
}

}  // namespace

asio::awaitable<void> Supervisor::reload() {
  const AsyncMutex::Lock change = co_await change_.lock();
  if (stopping_) {
    co_return;
  }
  accounts::forget_answers();
  Result<config::Config> config = load_();
  if (accounts::has_open_questions()) {
    co_await accounts::ask_getent();  // callers are served meanwhile
    config = load_();
  }
  if (!config) {
    log_lines(config.error().message());
    log::error("reload: the configuration in force is kept");
    co_return;
  }
  const Result<void> applied = co_await apply(std::move(*config));
  if (applied) {
    accounts::settle_names();
    log::info("reload: done");
  } else {
    log::error("reload: the configuration in force is kept: cannot {}", applied.error().message());
  }
}

asio::awaitable<Result<void>> Supervisor::apply(config::Config config) {
  if (config.responder.user != config_.responder.user || config.admin.socket != config_.admin.socket) {
    log::warn("reload: responder.user and admin.socket change with the next restart");
    config.responder.user = config_.responder.user;
    config.admin.socket = config_.admin.socket;
  }
  bool other_sockets = false;
  if (mode_ == Mode::serve) {
    const Result<bool> reloaded = co_await interception_.reload(config);
    if (!reloaded) {
      co_return reloaded.error();
    }
    other_sockets = *reloaded;
  }

  const bool other_tokens = config.imds.endpoint.text != config_.imds.endpoint.text ||
                            config.tokens.max_bytes != config_.tokens.max_bytes;
  const bool observe_anew = config.legacy.ports != config_.legacy.ports ||
                            config.redirect != config_.redirect ||
                            config.callers.cgroup != config_.callers.cgroup;
  config_ = std::move(config);
  log::start({.level = config_.log.level, .format = config_.log.format}, "msi2imds");
  if (mode_ == Mode::observe || observe_anew) {
    observe();
  }
  raise_descriptor_limit(config_.responder.max_connections, ContainerNetworks::descriptors(config_.legacy));
  if (interception_.is_attached()) {
    co_await closure_.follow(config_);
    containers_.follow(config_.legacy);
  }
  if (mode_ == Mode::serve) {
    warn_of_configuration();
    reserve_ports();
  }
  discovery_.stop();  // the directory may be another one
  if (responder_) {
    tell_responder_of_change(other_tokens, other_sockets);
  }
  interception_.close_old_sockets();
  co_return Result<void>();
}

void Supervisor::tell_responder_of_change(bool other_tokens, bool other_sockets) {
  control::Channel& channel = responder_->channel();
  const Result<void> configured = hand_over_configuration(channel);
  records_.hand_over(config_, channel, false);
  if (other_tokens && mode_ == Mode::serve) {
    hand_over_token_memory(channel);
  }
  const Result<void> sent = configured && other_sockets ? hand_over_sockets(channel) : configured;
  if (!sent) {
    log::error("reload: the responder is replaced, since it does not take the configuration: {}",
               sent.error().message());
    responder_->kill();
  }
}

}  // namespace msi2imds::supervisor
