// SPDX-License-Identifier: MIT
#include "supervisor/records.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "base/log.hpp"
#include "base/socket_address.hpp"
#include "supervisor/still_accepts.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr int kMetricsBacklog = 16;
constexpr std::size_t kMostWhy = 512;  // bytes of the reason that a responder gives

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

std::chrono::milliseconds left_until(std::chrono::steady_clock::time_point deadline) {
  return std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
}

void report_earlier(const StateFile& file, const Result<void>& saved) {
  if (!saved) {
    log::error("who called until the file was changed is not kept in '{}': cannot {}", file.path(),
               saved.error().message());
  }
}

}  // namespace

void Records::hand_over(const config::Config& config, control::Channel& channel, bool to_new_responder) {
  hand_over_audit_file(config.audit.file, channel, to_new_responder);
  hand_over_metrics_socket(config.metrics.port, channel);
  if (!usage_file_ || usage_path_ != config.callers.state_file) {
    change_usage_file(config.callers.state_file);
  }
  was_set_aside_ = was_set_aside_ && !to_new_responder;
  if (to_new_responder && usage_file_) {
    const Result<UniqueFd> file = open_usage_file();
    if (file) {
      control::Message message;
      message.kind = control::Kind::usage_file;
      (void)channel.send(message, file->get());  // a responder that does not take it is replaced
    } else {
      report(file.error());
    }
  }
}

// Whatever is not a regular file, such as a link, is set aside like a damaged file.
Result<UniqueFd> Records::open_usage_file() {
  Result<UniqueFd> file = usage_file_->open();
  const auto& code = file ? boost::system::error_code() : file.error().code();
  const bool is_no_file = code == boost::system::errc::invalid_argument ||
                          code == boost::system::errc::too_many_symbolic_link_levels ||
                          code == boost::system::errc::no_such_device_or_address /* a socket */;
  if (is_no_file && set_usage_file_aside(file.error().message())) {
    return usage_file_->open();
  }
  return file;
}

// Whoever has it already may be writing just now.
void Records::hand_over_audit_file(const std::string& path, control::Channel& channel,
                                   bool to_new_responder) {
  Result<UniqueFd> file = path.empty() ? Result<UniqueFd>(UniqueFd()) : open_audit_file(path);
  const std::string failure =
      file ? std::string() : "audit lines go to the log: cannot " + file.error().message();
  if (failure.empty() && !audit_shortcoming_.empty()) {
    log::info("audit lines go to '{}' again", path);
  } else if (failure != audit_shortcoming_) {
    log::error("{}", failure);
  }
  const bool changes_nothing = !failure.empty() && !audit_shortcoming_.empty();
  audit_shortcoming_ = failure;
  if (!changes_nothing) {
    control::Message message;
    message.kind = control::Kind::audit_file;
    message.number = file && *file && to_new_responder && ends_within_a_line(path) ? 1 : 0;
    (void)channel.send(message, file ? file->get() : -1);  // a responder that does not take it is replaced
  }
}

void Records::hand_over_metrics_socket(std::uint16_t port, control::Channel& channel) {
  if (metrics_port_ != port) {
    metrics_port_ = port;
    metrics_socket_.reset();
    metrics_shortcoming_.clear();
  }
  if (metrics_port_ != 0 && !metrics_socket_) {
    Result<UniqueFd> socket = listen_for_metrics(metrics_port_);
    const std::string failure =
        socket ? std::string() : "metrics are on no port: cannot " + socket.error().message();
    if (socket) {
      metrics_socket_ = std::move(*socket);
    } else if (failure != metrics_shortcoming_) {
      log::error("{}", failure);
    }
    metrics_shortcoming_ = failure;
  }
  control::Message message;
  message.kind = control::Kind::metrics_socket;
  (void)channel.send(message, metrics_socket_.get());
}

void Records::try_again(const config::Config& config, control::Channel& channel) {
  if (!audit_shortcoming_.empty()) {
    hand_over_audit_file(config.audit.file, channel, false);
  }
  if (!metrics_shortcoming_.empty()) {
    hand_over_metrics_socket(config.metrics.port, channel);
  }
}

void Records::describe(admin::Shortcomings& all) const {
  admin::add(all, admin::kAudit, audit_shortcoming_);
  admin::add(all, admin::kCallers, shortcoming_);
  admin::add(all, admin::kMetrics, metrics_shortcoming_);
}

void Records::change_usage_file(const std::string& path) {
  if (usage_file_ && usage_file_->is_being_saved()) {
    earlier_files_.push_back(std::move(usage_file_));
  }
  usage_path_ = path;
  usage_file_ = path.empty() ? nullptr : std::make_unique<StateFile>(path);
  shortcoming_.clear();
  if (usage_file_) {
    report(usage_file_->check());
  }
}

control::Message Records::begin_usage_file(UniqueFd& descriptor) {
  look_after_saving();
  control::Message message;
  message.kind = control::Kind::new_usage_file;
  Result<UniqueFd> file =
      usage_file_ ? usage_file_->begin() : Error::from_errno(ENOENT, "find callers.state_file");
  if (file) {
    descriptor = std::move(*file);
  } else {
    message.error = file.error().code().value();
    message.set_text("get a file for who called");
    if (file.error().code() != boost::system::errc::device_or_resource_busy) {
      report(file.error());
    }
  }
  return message;
}

void Records::save_usage_file(std::uint64_t size) {
  const Result<void> begun =
      usage_file_ ? usage_file_->save(size) : Error::from_errno(ENOENT, "find callers.state_file");
  if (!begun) {
    report(begun);
  }
}

void Records::look_after_saving() {
  const std::optional<Result<void>> outcome =
      usage_file_ ? usage_file_->outcome() : std::optional<Result<void>>();
  if (outcome) {
    report(*outcome);
  }
  std::erase_if(earlier_files_, [](const std::unique_ptr<StateFile>& file) {
    const std::optional<Result<void>> ended = file->outcome();
    if (ended) {
      report_earlier(*file, *ended);
    }
    return ended.has_value();
  });
}

asio::awaitable<void> Records::finish(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (const std::unique_ptr<StateFile>& file : earlier_files_) {
    const std::optional<Result<void>> ended = co_await file->wait_for_outcome(left_until(deadline));
    if (ended) {
      report_earlier(*file, *ended);
    }
  }
  if (!usage_file_) {
    co_return;
  }
  const std::optional<Result<void>> outcome = co_await usage_file_->wait_for_outcome(left_until(deadline));
  if (outcome) {
    report(*outcome);
  }
}

// A disk that is full fails every few seconds: once is enough.
void Records::report(const Result<void>& saved) {
  if (saved) {
    if (!shortcoming_.empty()) {
      log::info("who called is kept again in '{}'", usage_path_);
    }
    shortcoming_.clear();
    return;
  }
  std::string now = "who called is not kept across a restart: cannot " + saved.error().message();
  if (shortcoming_ != now) {
    shortcoming_ = std::move(now);
    log::error("{}", shortcoming_);
  }
}

bool Records::drop_dead_socket() {
  if (!metrics_socket_ || still_accepts(metrics_socket_.get())) {
    return false;
  }
  metrics_socket_.reset();
  return true;
}

bool Records::set_usage_file_aside(std::string_view why) {
  if (std::exchange(was_set_aside_, true)) {
    return false;
  }
  const Result<std::string> aside = usage_file_ ? usage_file_->set_aside() : Result<std::string>("");
  log::warn("began a new record of who calls, since '{}' cannot be read: {}", usage_path_,
            why.substr(0, kMostWhy));
  if (aside) {
    log::warn("the old one is kept as '{}'", *aside);
  } else {
    log::error("cannot {}", aside.error().message());
  }
  return true;
}

}  // namespace msi2imds::supervisor
