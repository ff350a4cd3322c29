// SPDX-License-Identifier: MIT
#include "supervisor/observation.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"
#include "caller/agreement.hpp"
#include "caller/caller.hpp"
#include "netlink/tcp_sockets.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr std::chrono::milliseconds kLookInterval{200};
constexpr std::chrono::seconds kAttachInterval{10};
// Of connections that were handed over; then a look finds out which of them are still there.
constexpr std::size_t kMostHandedOver = 4096;
// The kernel's PROC_PID_INIT_INO.
constexpr ino_t kFirstPidNamespace = 0xEFFFFFFC;

// The observer sees the machine's own process numbers, which mean other processes in a container.
bool has_the_machines_pids() {
  static const bool has_the_same_numbers = [] {
    struct stat own {};
    return ::stat("/proc/self/ns/pid", &own) == 0 && own.st_ino == kFirstPidNamespace;
  }();
  return has_the_same_numbers;
}

// What may be used of what the observer saw.
caller::Clues usable(caller::Clues clues) {
  clues.pid = has_the_machines_pids() ? clues.pid : 0;
  return clues;
}

}  // namespace

struct Observation::Attached {
  Attached(asio::io_context& io, observer::Observer attached) : observer(std::move(attached)), reports(io) {
    if (observer->reports() >= 0) {
      reports.assign(::dup(observer->reports()));
    }
  }
  // None once it is detached; the coroutine notices that later.
  std::optional<observer::Observer> observer;
  asio::posix::stream_descriptor reports;  // closed where nobody wants them
};

Observation::Observation(asio::io_context& io) : io_(io), look_timer_(io) {}

Observation::~Observation() {
  detach();
}

void Observation::start(observer::Plan plan) {
  start(std::move(plan), nullptr);
}

void Observation::start(observer::Plan plan, Receiver receiver) {
  stop();
  plan_ = std::move(plan);
  receiver_ = std::move(receiver);
  plan_.report = receiver_ != nullptr;
  shortcoming_.clear();
  handed_over_.clear();
  attach(std::chrono::steady_clock::now());
}

void Observation::stop() {
  detach();
  receiver_ = nullptr;
  plan_.cgroup.clear();
}

void Observation::detach() {
  ++generation_;
  look_timer_.cancel();
  if (attached_) {
    boost::system::error_code ignored;
    attached_->reports.close(ignored);
    attached_->observer.reset();
  }
  attached_.reset();
}

void Observation::attach(Time now) {
  detach();
  next_attempt_ = now + kAttachInterval;
  if (plan_.cgroup.empty()) {
    report_shortcoming("callers.cgroup is empty");
  } else if (Result<observer::Observer> observer = observer::Observer::attach(plan_); observer) {
    attached_ = std::make_shared<Attached>(io_, std::move(*observer));
    shortcoming_ =
        attached_->observer->shows_tasks()
            ? std::string()
            : "a caller's program and groups are those that it has when it is looked at: this kernel "
              "does not show which it had when it dialled";
  } else {
    report_shortcoming(observer.error().message());
  }
  if (!receiver_) {
    return;
  }
  if (attached_) {
    look_at_connections();  // those that are older than the programs
    spawn(io_, "read the observer's reports", read_reports(attached_));
  } else {
    spawn(io_, "look at connections", look_now_and_then(generation_));
  }
}

// Once in the log, until it is another one.
void Observation::report_shortcoming(const std::string& reason) {
  std::string shortcoming =
      "callers are looked for among those who hold the connection: short-lived ones may stay unknown (" +
      reason + ")";
  if (shortcoming == shortcoming_) {
    return;
  }
  shortcoming_ = std::move(shortcoming);
  if (!plan_.cgroup.empty()) {
    log::warn("cannot observe who dials: {}", reason);
  }
  if (receiver_) {
    log::warn("the open connections are looked at every {} ms: what is shorter is missed",
              kLookInterval.count());
  }
}

void Observation::keep_in_force(Time now) {
  if (attached_) {
    if (attached_->observer->check()) {
      return;
    }
    log::warn("somebody has removed the observer's programs: they are attached again");
    attach(now);
  } else if (!plan_.cgroup.empty() && now >= next_attempt_) {
    attach(now);
    if (attached_) {
      log::info("who dials is observed from here on");
    }
  }
}

void Observation::add_to(caller::Clues& clues) const {
  const auto dialler =
      attached_ && clues.cookie != 0 ? attached_->observer->find(clues.cookie) : std::nullopt;
  if (dialler) {
    clues = caller::join(clues, usable(dialler->clues));
  } else if (clues.has_uid && has_the_machines_pids()) {
    clues.agreement = caller::Agreement::unseen;
  }
}

// False: there were none.
bool Observation::hand_over_reports() {
  std::vector<observer::Dialler> seen = attached_->observer->take_reports();
  for (observer::Dialler& dialler : seen) {
    handed_over_.insert(dialler.clues.cookie);
    dialler.clues = usable(dialler.clues);
  }
  if (seen.empty()) {
    return false;
  }
  receiver_(std::move(seen));
  return true;
}

void Observation::hand_over_now() {
  if (!receiver_) {
    return;
  }
  if (attached_) {
    while (hand_over_reports()) {
    }
  } else {
    look_at_connections();
  }
}

asio::awaitable<void> Observation::read_reports(std::shared_ptr<Attached> attached) {
  while (attached == attached_) {
    const auto [ec] =
        co_await attached->reports.async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    if (ec || attached != attached_) {
      co_return;
    }
    (void)hand_over_reports();
    if (handed_over_.size() > kMostHandedOver) {
      look_at_connections();
    }
  }
}

asio::awaitable<void> Observation::look_now_and_then(std::uint64_t generation) {
  while (generation == generation_) {
    look_at_connections();
    look_timer_.expires_after(kLookInterval);
    (void)co_await look_timer_.async_wait(kAsTuple);
  }
}

// Hands over who has a connection that has not been handed over.
void Observation::look_at_connections() {
  const auto connections = netlink::connections_to(plan_.legacy_ports);
  if (!connections) {
    log::warn("cannot look at the open connections: {}", connections.error().message());
    return;
  }
  std::set<std::uint64_t> present;
  std::vector<observer::Dialler> seen;
  for (const netlink::TcpSocket& connection : *connections) {
    const std::uint64_t cookie = connection.socket.cookie;
    present.insert(cookie);
    const bool is_own_question = connection.local.port() == plan_.listen_port;
    if (connection.socket.inode != 0 && !is_own_question && !handed_over_.contains(cookie)) {
      seen.push_back({.clues = caller::clues_of(connection.socket), .dialled = connection.remote});
    }
  }
  handed_over_ = std::move(present);
  if (!seen.empty()) {
    receiver_(std::move(seen));
  }
}

}  // namespace msi2imds::supervisor
