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
// A question takes the two processes ten microseconds; noting takes each connection of the machine one,
// nearly.
constexpr std::size_t kManyQuestions = 100;    // in a second
constexpr std::uint64_t kFewConnections = 20;  // in a second
constexpr int kMostLooksInVain = 10;
constexpr std::chrono::seconds kPauseOfNotes{60};  // where they did not spare questions
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
  plan_.can_note_connections = !receiver_ && has_the_machines_pids();
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
  noting_ = Noting::no;
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
      judge_notes(now);
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

bool Observation::note_if_many_call(std::size_t questions, Time now) {
  if (now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    questions_in_second_ = 0;
  }
  questions_in_second_ += questions;
  questions_ += questions;
  const bool begins = noting_ != Noting::yes && questions_in_second_ >= kManyQuestions &&
                      now >= no_notes_before_ && attached_ && attached_->observer->note_connections();
  if (begins) {
    noting_ = Noting::yes;
    questions_ = 0;
    established_ = attached_->observer->count_established();
    looks_in_vain_ = 0;
    ++generation_;
    log::debug("many call: connections are noted from here on");
  }
  return begins;
}

// Behind NAT, and where a rule is about processes, each connection is asked about nevertheless.
void Observation::judge_notes(Time now) {
  const std::uint64_t questions = std::exchange(questions_, 0);
  if (noting_ != Noting::yes) {
    return;
  }
  const std::uint64_t all = attached_->observer->count_established();
  const std::uint64_t established = all - std::exchange(established_, all);
  const bool do_many_call = established >= kFewConnections;
  const bool are_of_use = do_many_call && questions < established / 2;
  looks_in_vain_ = are_of_use ? 0 : looks_in_vain_ + 1;
  if (looks_in_vain_ >= kMostLooksInVain) {
    noting_ = Noting::ending;
    ++generation_;
    no_notes_before_ = now + (do_many_call ? kPauseOfNotes : std::chrono::seconds(0));
  }
}

void Observation::stop_noting(std::uint64_t attachments) {
  if (noting_ == Noting::ending && attachments == generation_) {
    attached_->observer->stop_noting();
    noting_ = Noting::no;
    log::debug("connections are not noted any more");
  }
}

int Observation::noted_connections() const {
  return noting_ == Noting::yes ? attached_->observer->noted_connections() : -1;
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
