// SPDX-License-Identifier: MIT
// The supervisor takes over a changed configuration, or keeps the old one.
#include <sstream>
#include <utility>

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

void Supervisor::reload() {
  if (stopping_) {
    return;
  }
  Result<config::Config> config = load_();
  if (!config) {
    log_lines(config.error().message());
    log::error("reload: the configuration in force is kept");
    return;
  }
  const Result<void> applied = apply(std::move(*config));
  if (!applied) {
    log::error("reload: the configuration in force is kept: {}", applied.error().message());
    return;
  }
  log::info("reload: done");
}

// The new way in is open before the old one closes, so that no connection is refused between them.
Result<void> Supervisor::apply(config::Config config) {
  if (config.responder.user != config_.responder.user || config.admin.socket != config_.admin.socket) {
    log::warn("reload: responder.user and admin.socket change with the next restart");
    config.responder.user = config_.responder.user;
    config.admin.socket = config_.admin.socket;
  }
  const bool intercept_anew =
      config.legacy.ports != config_.legacy.ports || config.redirect != config_.redirect;
  if (intercept_anew && interception_.redirection) {
    Result<Interception> interception = plan_interception(config);
    if (!interception) {
      sockets_.keep_only(interception_.listeners);
      return interception.error();
    }
    auto redirection = interception->redirector->install(plan_of(config), interception->listeners);
    if (!redirection) {
      sockets_.keep_only(interception_.listeners);
      return redirection.error();
    }
    interception->redirection = std::move(*redirection);
    if (interception->redirector->name() == interception_.redirector->name()) {
      (void)interception_.redirection->hand_over();  // the new one took its place; false: both were there
    }
    interception_.redirection.reset();  // assignment alone would destroy in the order of the members
    interception_ = std::move(*interception);
  }

  const bool other_tokens = config.imds.endpoint.text != config_.imds.endpoint.text ||
                            config.tokens.max_bytes != config_.tokens.max_bytes;
  const bool observe_anew = intercept_anew || config.callers.cgroup != config_.callers.cgroup;
  config_ = std::move(config);
  if (mode_ == Mode::observe) {
    observe();
  } else if (observe_anew) {
    callers_.start(config_, false);
  }
  log::start({.level = config_.log.level, .format = config_.log.format}, "msi2imds");
  raise_descriptor_limit(config_.responder.max_connections);
  if (mode_ == Mode::serve) {
    warn_of_configuration();
    reserve_ports();
  }
  if (discovery_watch_) {
    discovery_watch_->cancel();  // the directory may be another one
  }
  if (!responder_) {
    return {};
  }
  const Result<void> configured = send_configuration(responder_->channel());
  hand_over_records(responder_->channel(), false);
  if (other_tokens && mode_ == Mode::serve) {
    hand_over_token_memory(responder_->channel());
  }
  const Result<void> sent = configured && intercept_anew ? send_listeners(responder_->channel()) : configured;
  if (!sent) {
    log::error("reload: replace the responder, which does not take the configuration: {}",
               sent.error().message());
    responder_->kill();
  }
  sockets_.keep_only(interception_.listeners);
  return {};
}

}  // namespace msi2imds::supervisor
