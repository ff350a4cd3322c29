// SPDX-License-Identifier: MIT
#include "supervisor/caller_directory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "loader/cgroup.hpp"

namespace msi2imds::supervisor {
namespace {

// The kernel's PROC_PID_INIT_INO.
constexpr ino_t kFirstPidNamespace = 0xEFFFFFFC;

// The observer sees the machine's own process numbers, which mean other processes in a container.
bool sees_the_machines_pids() {
  struct stat own {};
  return ::stat("/proc/self/ns/pid", &own) == 0 && own.st_ino == kFirstPidNamespace;
}

void take(resolver::Question& question, const observer::Dialler& dialler) {
  static const bool has_the_same_numbers = sees_the_machines_pids();
  question.pid = has_the_same_numbers ? dialler.pid : 0;
  question.gid = dialler.gid;
  question.dialled_at = dialler.since_boot.count();
  std::copy_n(dialler.comm.begin(), std::min(dialler.comm.size(), question.comm.size() - 1),
              question.comm.begin());
  if (!question.has_uid) {
    question.has_uid = true;
    question.uid = dialler.uid;
  }
  if (!question.has_cgroup_id) {
    question.has_cgroup_id = true;
    question.cgroup_id = dialler.cgroup_id;
  }
}

resolver::Question question_of(const control::CallerQuestion& asked) {
  resolver::Question question;
  question.inode = asked.inode;
  question.has_uid = asked.has_uid != 0;
  question.uid = asked.uid;
  question.has_cgroup_id = asked.has_cgroup_id != 0;
  question.cgroup_id = asked.cgroup_id;
  question.is_fresh = asked.is_fresh != 0;
  return question;
}

std::string without_observer(const std::string& reason) {
  return "callers are looked for among those who hold the connection: whoever has ended by then stays "
         "unknown (" +
         reason + ")";
}

bool knows_nothing(const resolver::Question& question) {
  return question.pid == 0 && question.inode == 0 && !question.has_uid;
}

}  // namespace

CallerDirectory::CallerDirectory(asio::io_context& io) : io_(io) {}

void CallerDirectory::start(const config::Config& config, bool report) {
  stop_reports();
  plan_ = {.legacy_ports = config.legacy.ports,
           .listen_port = config.redirect.listen_port,
           .cgroup = config.callers.cgroup,
           .report = report};
  if (!resolver_) {
    // Without a cgroup2 units are known by their processes.
    if (Result<UniqueFd> root = loader::open_cgroup("/"); root) {
      cgroup_root_ = std::move(*root);
    }
    resolver::Settings settings;
    settings.cgroup_root = cgroup_root_.get();
    resolver_ = std::make_unique<resolver::Resolver>(io_, settings);
  }
  attach();
}

void CallerDirectory::attach() {
  observer_.reset();
  if (plan_.cgroup.empty()) {
    shortcoming_ = without_observer("callers.cgroup is empty");
    return;
  }
  Result<observer::Observer> observer = observer::Observer::attach(plan_);
  if (observer) {
    observer_.emplace(std::move(*observer));
    shortcoming_.clear();
  } else {
    shortcoming_ = without_observer(observer.error().message());
    log::warn("observe who dials: {}", observer.error().message());
  }
}

void CallerDirectory::keep_observing() {
  if (observer_ && !observer_->check()) {
    log::warn("observe who dials again, since somebody had removed the observer");
    attach();
  }
}

asio::awaitable<std::vector<CallerDirectory::Caller>> CallerDirectory::answer(
    std::vector<control::CallerQuestion> questions, DialledBy dialled_by) {
  std::vector<Caller> callers(questions.size());
  std::vector<resolver::Question> to_resolve;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    resolver::Question question = question_of(questions[i]);
    const std::uint64_t cookie = questions[i].cookie;
    if (const auto dialler = observer_ && cookie != 0 ? observer_->find(cookie) : std::nullopt) {
      take(question, *dialler);
    }
    callers[i].dialled = cookie != 0 ? dialled_by(cookie) : std::nullopt;
    if (!knows_nothing(question)) {
      to_resolve.push_back(question);
      places.push_back(i);
    }
  }
  const std::vector<resolver::SerializedIdentity> identities =
      co_await resolver_->resolve(std::move(to_resolve));
  for (std::size_t i = 0; i < places.size(); ++i) {
    callers[places[i]].identity = identities[i];
  }
  co_return callers;
}

Result<void> CallerDirectory::send(control::Channel& channel, control::Message message,
                                   std::span<const Caller> callers) {
  std::vector<control::CallerAnswer> answers(callers.size());
  for (std::size_t i = 0; i < callers.size(); ++i) {
    if (callers[i].identity) {
      answers[i].identity = identities_.push(channel, *callers[i].identity);
    }
    if (callers[i].dialled) {
      answers[i].set_dialled(*callers[i].dialled);
    }
  }
  control::set_records(message, std::span<const control::CallerAnswer>(answers));
  return channel.send(message);
}

asio::awaitable<void> CallerDirectory::report_to(std::function<void(std::vector<Caller>)> receiver) {
  if (!observer_ || observer_->reports() < 0) {
    co_return;
  }
  UniqueFd descriptor(::dup(observer_->reports()));
  reports_.emplace(io_, descriptor.release());
  const std::uint64_t generation = generation_;
  while (generation == generation_) {
    const auto [ec] = co_await reports_->async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    if (ec || generation != generation_ || !observer_) {
      co_return;
    }
    std::vector<resolver::Question> questions;
    std::vector<Caller> callers;
    for (const observer::Dialler& dialler : observer_->take_reports()) {
      resolver::Question question;
      take(question, dialler);
      questions.push_back(question);
      callers.push_back({.identity = nullptr, .dialled = dialler.dialled});
    }
    const std::vector<resolver::SerializedIdentity> identities =
        co_await resolver_->resolve(std::move(questions));
    for (std::size_t i = 0; i < callers.size(); ++i) {
      callers[i].identity = identities[i];
    }
    receiver(std::move(callers));
  }
}

void CallerDirectory::stop_reports() {
  ++generation_;
  reports_.reset();
}

}  // namespace msi2imds::supervisor
