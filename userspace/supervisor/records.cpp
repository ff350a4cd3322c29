// SPDX-License-Identifier: MIT
// The supervisor's part in what the responder records: files and the port for metrics.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/log.hpp"
#include "supervisor/supervisor.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr int kMetricsBacklog = 16;

Result<UniqueFd> listen_for_metrics(std::uint16_t port) {
  const SocketAddress address = SocketAddress::ipv4_loopback(port);
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int yes = 1;
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (!socket || ::bind(socket.get(), address.get(), address.size()) != 0 ||
      ::listen(socket.get(), kMetricsBacklog) != 0) {
    return Error::from_errno(errno, "listen for metrics on " + address.to_string());
  }
  return socket;
}

}  // namespace

// None of it is a reason not to serve.
void Supervisor::hand_over_records(control::Channel& channel, bool to_new_responder) {
  control::Message message;
  message.kind = control::Kind::audit_file;
  UniqueFd audit;
  if (!config_.audit.file.empty()) {
    Result<UniqueFd> file = open_audit_file(config_.audit.file);
    if (file) {
      audit = std::move(*file);
    } else {
      log::error("{}: audit lines go to the log", file.error().message());
    }
  }
  (void)channel.send(message, audit.get());  // a responder that does not read is ended by watch()

  if (metrics_port_ != config_.metrics.port) {
    metrics_port_ = config_.metrics.port;
    metrics_socket_.reset();
  }
  if (metrics_port_ != 0 && !metrics_socket_) {
    Result<UniqueFd> socket = listen_for_metrics(metrics_port_);
    if (socket) {
      metrics_socket_ = std::move(*socket);
    } else {
      log::error("{}", socket.error().message());
    }
  }
  message.kind = control::Kind::metrics_socket;
  (void)channel.send(message, metrics_socket_.get());

  if (!callers_file_ || callers_path_ != config_.callers.state_file) {
    callers_path_ = config_.callers.state_file;
    callers_file_ = callers_path_.empty() ? nullptr : std::make_unique<StateFile>(callers_path_);
  }
  if (to_new_responder && callers_file_) {
    const Result<UniqueFd> file = callers_file_->open();
    if (file) {
      message.kind = control::Kind::callers_state;
      (void)channel.send(message, file->get());
    } else {
      log::error("{}: who calls is not kept", file.error().message());
    }
  }
}

void Supervisor::hand_over_token_memory(control::Channel& channel) {
  control::Message message;
  message.kind = control::Kind::token_memory;
  const std::string directory = std::filesystem::path(config_.admin.socket).parent_path().string();
  const Result<UniqueFd> memory = token_memory_.prepare(config_.tokens.max_bytes, directory);
  if (memory) {
    (void)channel.send(message, memory->get());  // a responder that does not read is ended by watch()
  } else {
    log::info("tokens do not outlast a responder: {}", memory.error().message());
  }
}

control::Message Supervisor::open_callers_state(UniqueFd& descriptor) {
  control::Message message;
  message.kind = control::Kind::new_callers_state;
  Result<UniqueFd> file =
      callers_file_ ? callers_file_->begin() : Error::from_errno(ENOENT, "find callers.state_file");
  if (file) {
    descriptor = std::move(*file);
  } else {
    message.error = file.error().code().value();
    message.set_text(file.error().message());
  }
  return message;
}

void Supervisor::save_callers(std::uint64_t size) {
  const Result<void> saved =
      callers_file_ ? callers_file_->save(size) : Error::from_errno(ENOENT, "find callers.state_file");
  if (!saved) {
    log::warn("save who called: {}", saved.error().message());
  }
}

void Supervisor::set_callers_aside(std::string_view why) {
  const Result<std::string> aside = callers_file_ ? callers_file_->set_aside() : Result<std::string>("");
  log::warn("start anew with who calls: {}: {}", config_.callers.state_file, why);
  if (aside) {
    log::warn("what was there is kept as {}", *aside);
  } else {
    log::error("{}", aside.error().message());
  }
}

}  // namespace msi2imds::supervisor
