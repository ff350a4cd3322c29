// SPDX-License-Identifier: MIT
// The supervisor's dealings with sockets and redirection, and what it hands to the responder.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/log.hpp"
#include "netlink/sock_diag.hpp"
#include "supervisor/redirect_plan.hpp"
#include "supervisor/supervisor.hpp"

namespace msi2imds::supervisor {
namespace {

// A pipe that already holds all of `text`.
Result<UniqueFd> pipe_with(const std::string& text) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return Error::from_errno(errno, "make a pipe");
  }
  UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  (void)::fcntl(writer.get(), F_SETPIPE_SZ, static_cast<int>(text.size()));  // 64 KiB do without
  const ssize_t written = ::write(writer.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    return Error::from_errno(written < 0 ? errno : EMSGSIZE, "write the configuration for the responder");
  }
  return reader;
}

}  // namespace

// Only where connections can wait for the next process may the redirection outlive this one.
redirect::Plan Supervisor::plan_of(const config::Config& config) const {
  redirect::Plan plan = redirect_plan(config);
  plan.may_outlive_us = sockets_.is_held_by_others(SocketAddress::ipv4_loopback(plan.listen_port));
  return plan;
}

Result<Supervisor::Interception> Supervisor::plan_interception(const config::Config& config) {
  Result<redirect::Choice> choice =
      redirect::choose(config::to_string(config.redirect.backend), plan_of(config));
  if (!choice) {
    return choice.error();
  }
  for (const std::string& refused : choice->refused) {
    log::warn("cannot use {}", refused);
  }
  Interception interception;
  interception.redirector = std::move(choice->redirector);
  Result<std::vector<redirect::Listener>> listeners =
      sockets_.open(interception.redirector->listen_addresses(plan_of(config)));
  if (!listeners) {
    return listeners.error();
  }
  interception.listeners = std::move(*listeners);
  return interception;
}

Result<void> Supervisor::attach() {
  // After failing open, `listen` has no sockets left.
  Result<std::vector<redirect::Listener>> listeners =
      sockets_.open(interception_.redirector->listen_addresses(plan_of(config_)));
  if (!listeners) {
    return listeners.error();
  }
  interception_.listeners = std::move(*listeners);
  auto redirection = interception_.redirector->install(plan_of(config_), interception_.listeners);
  if (!redirection) {
    return redirection.error();
  }
  interception_.redirection = std::move(*redirection);
  log::info("redirect with {}", interception_.redirector->name());
  remove_leftovers_of_others();
  return {};
}

// The process before us may have had another backend, or another configuration. Our way in is open by now.
void Supervisor::remove_leftovers_of_others() {
  const redirect::Leftovers leftovers =
      redirect::remove_leftovers_of_others(redirect_plan(config_), *interception_.redirector);
  for (const std::string& removed : leftovers.removed) {
    log::info("removed what an earlier msi2imds has left: {}", removed);
  }
  for (const std::string& failure : leftovers.failures) {
    log::warn("cannot look for what an earlier msi2imds may have left: {}", failure);
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
    log::warn("reserve the legacy ports: {}", reserved.error().message());
  }
}

// Firewalls are reloaded, and services are restarted in new cgroups: what is missing is put back.
void Supervisor::keep_in_force() {
  if (!interception_.redirection) {
    return;
  }
  const Result<void> checked = interception_.redirection->check();
  if (checked) {
    repair_failure_.clear();
    return;
  }
  const Result<void> repaired = interception_.redirection->repair();
  if (repaired) {
    repair_failure_.clear();
    log::warn("redirect again, since somebody had removed it: {}", checked.error().message());
  } else if (repair_failure_ != repaired.error().message()) {
    repair_failure_ = repaired.error().message();
    log::error("redirect again: {}", repair_failure_);
  }
}

// On a planned stop, where the service manager goes on listening and will start the next process.
bool Supervisor::hand_over_to_successor() {
  const auto is_held = [this](const redirect::Listener& listener) {
    return sockets_.is_held_by_others(listener.address);
  };
  return interception_.redirection && !interception_.listeners.empty() &&
         std::all_of(interception_.listeners.begin(), interception_.listeners.end(), is_held) &&
         interception_.redirection->hand_over();
}

control::Message Supervisor::describe_redirection() {
  control::Message message;
  message.kind = control::Kind::redirection;
  message.number = responders_started_;
  if (mode_ == Mode::observe) {
    message.value = static_cast<std::int32_t>(control::Redirected::observing);
    message.set_text("none\nonly observing\n" + callers_.shortcoming());
    return message;
  }
  std::string text(interception_.redirector->name());
  if (!interception_.redirection) {
    message.set_text(text + "\n" + attach_failure_);
    return message;
  }
  const Result<void> in_force = interception_.redirection->check();
  text += "\n" + (in_force ? std::string() : in_force.error().message());
  if (warnings_.size() == 1) {
    text += "\n" + warnings_.front();
  } else if (!warnings_.empty()) {  // a message has no room for many
    text += "\n" + std::to_string(warnings_.size()) +
            " rules allow nobody, or are for nobody; msi2imds check-config says which";
  }
  for (const std::string& remark : interception_.redirection->remarks()) {
    text += "\n" + remark;
  }
  if (!callers_.shortcoming().empty()) {
    text += "\n" + callers_.shortcoming();
  }
  message.set_text(text);
  const auto yes =
      interception_.redirection->covers_ipv6() ? control::Redirected::yes : control::Redirected::ipv4_only;
  message.value = static_cast<std::int32_t>(in_force ? yes : control::Redirected::no);
  return message;
}

// Who cannot start must not leave callers waiting in sockets that the service manager goes on holding: what
// an earlier process handed over is undone.
void Supervisor::give_back_inheritance() {
  if (!sockets_.are_some_held_by_others()) {
    return;
  }
  reserved_ports_.reset();
  const redirect::Leftovers leftovers = redirect::remove_all_leftovers(redirect_plan(config_));
  for (const std::string& removed : leftovers.removed) {
    log::warn("let connections through: removed {}", removed);
  }
  for (const std::string& failure : leftovers.failures) {
    log::error("let connections through: {}", failure);
  }
}

void Supervisor::fail_open() {
  attach_failure_ = "the responder cannot serve; connections are let through";
  interception_.redirection.reset();
  sockets_.turn_callers_away();
  interception_.listeners.clear();
}

Result<void> Supervisor::send_configuration(control::Channel& channel) {
  const Result<UniqueFd> pipe = pipe_with(config::to_toml(config_));
  if (!pipe) {
    return pipe.error();
  }
  control::Message message;
  message.kind = control::Kind::configure;
  return channel.send(message, pipe->get());
}

Result<void> Supervisor::send_listeners(control::Channel& channel) {
  control::Message message;
  message.kind = control::Kind::add_listener;
  for (const int listener : sockets_.to_serve(interception_.listeners)) {
    Result<void> sent = channel.send(message, listener);
    if (!sent) {
      return sent;
    }
  }
  message.kind = control::Kind::serve;
  return channel.send(message);
}

Result<void> Supervisor::hand_over(control::Channel& channel) {
  if (mode_ == Mode::serve && interception_.listeners.empty()) {  // failed open before
    Result<Interception> interception = plan_interception(config_);
    if (!interception) {
      return interception.error();
    }
    interception_ = std::move(*interception);
  }
  Result<void> configured = send_configuration(channel);
  if (!configured) {
    return configured;
  }
  if (mode_ == Mode::serve) {
    hand_over_token_memory(channel);  // before anybody can ask for a flush
  }
  control::Message message;
  message.kind = control::Kind::admin_socket;
  Result<void> sent = channel.send(message, admin_socket_->fd());
  if (!sent) {
    return sent;
  }
  hand_over_records(channel, true);
  // Without it callers stay unknown, which is no reason not to serve them.
  const Result<UniqueFd> sock_diag = netlink::SockDiag::open_socket();
  if (sock_diag) {
    message.kind = control::Kind::sock_diag;
    (void)channel.send(message, sock_diag->get());
  } else {
    log::warn("identify callers: {}", sock_diag.error().message());
  }
  return send_listeners(channel);
}

}  // namespace msi2imds::supervisor
