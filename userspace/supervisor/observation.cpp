// SPDX-License-Identifier: MIT
// Observe mode: who dials the legacy ports, while others answer.
#include <algorithm>
#include <span>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"
#include "netlink/tcp_sockets.hpp"
#include "supervisor/supervisor.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr std::chrono::milliseconds kLookInterval{200};

}  // namespace

void Supervisor::observe() {
  look_timer_.cancel();
  seen_connections_.clear();
  callers_.start(config_, true);
  if (callers_.shortcoming().empty()) {
    auto tell = [this](const std::vector<CallerDirectory::Caller>& seen) { tell_observed(seen); };
    spawn(io_, "report who dials", callers_.report_to(std::move(tell)));
    spawn(io_, "look at connections", look_at_connections());  // those that are older than the observer
    return;
  }
  log::warn("observe by looking at the open connections every {} ms: what is shorter is missed",
            kLookInterval.count());
  spawn(io_, "watch connections", watch_connections());
}

// Without eBPF.
asio::awaitable<void> Supervisor::watch_connections() {
  while (!stopping_) {
    look_timer_.expires_after(kLookInterval);
    const auto [ec] = co_await look_timer_.async_wait(kAsTuple);
    if (ec) {
      co_return;
    }
    co_await look_at_connections();
  }
}

// Records who has a connection that was not there at the last look.
asio::awaitable<void> Supervisor::look_at_connections() {
  const auto connections = netlink::connections_to(config_.legacy.ports);
  if (!connections) {
    log::warn("look at the open connections: {}", connections.error().message());
    co_return;
  }
  std::set<SeenConnection> present;
  std::vector<control::CallerQuestion> questions;
  std::vector<SocketAddress> dialled;
  for (const netlink::TcpSocket& connection : *connections) {
    const SeenConnection key(connection.local.to_string(), connection.socket.inode);
    present.insert(key);
    const bool is_own_question = connection.local.port() == config_.redirect.listen_port;
    if (connection.socket.inode == 0 || is_own_question || seen_connections_.contains(key)) {
      continue;
    }
    control::CallerQuestion& question = questions.emplace_back();
    question.inode = static_cast<std::uint32_t>(connection.socket.inode);
    question.has_uid = 1;
    question.uid = connection.socket.uid;
    question.has_cgroup_id = connection.socket.cgroup_id ? 1 : 0;
    question.cgroup_id = connection.socket.cgroup_id.value_or(0);
    dialled.push_back(connection.remote);
  }
  seen_connections_ = std::move(present);
  if (questions.empty()) {
    co_return;
  }
  CallerDirectory::DialledBy nobody = [](std::uint64_t) { return std::optional<SocketAddress>(); };
  std::vector<CallerDirectory::Caller> seen =
      co_await callers_.answer(std::move(questions), std::move(nobody));
  for (std::size_t i = 0; i < seen.size(); ++i) {
    seen[i].dialled = dialled[i];
  }
  tell_observed(seen);
}

void Supervisor::tell_observed(const std::vector<CallerDirectory::Caller>& seen) {
  const std::span<const CallerDirectory::Caller> all(seen);
  for (std::size_t first = 0; first < all.size(); first += control::kMostCallers) {
    control::Message message;
    message.kind = control::Kind::observed;
    const auto some = all.subspan(first, std::min(control::kMostCallers, all.size() - first));
    const Result<void> sent = responder_ ? callers_.send(responder_->channel(), std::move(message), some)
                                         : Error::from_errno(ECHILD, "find the responder");
    if (!sent) {
      log::warn("record who called: {}", sent.error().message());
    }
  }
}

}  // namespace msi2imds::supervisor
