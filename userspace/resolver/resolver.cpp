// SPDX-License-Identifier: MIT
#include "resolver/resolver.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

namespace msi2imds::resolver {
namespace {

constexpr std::size_t kMostKnown = 256;
// An exec within it may go unnoticed where no rule depends on the program.
constexpr std::chrono::seconds kKnownAge{1};
constexpr std::chrono::seconds kLeaveAlone{10};  // a process whose reading hung
constexpr std::size_t kMostHanging = 1024;

// -1 where the kernel has none (before 5.3): then nothing is remembered.
UniqueFd open_process(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool has_ended(const UniqueFd& process) {
  pollfd state{.fd = process.get(), .events = POLLIN, .revents = 0};
  return ::poll(&state, 1, 0) != 0;
}

}  // namespace

Resolver::Resolver(asio::io_context& io, Settings settings)
    : io_(io), settings_(std::move(settings)), users_(settings_.passwd_file) {}
Resolver::~Resolver() = default;

asio::awaitable<std::vector<SerializedIdentity>> Resolver::resolve(std::vector<caller::Clues> questions) {
  std::vector<SerializedIdentity> identities(questions.size());
  std::vector<std::shared_ptr<Batch>> asked;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    identities[i] = remember(questions[i]);
    if (identities[i]) {
      continue;
    }
    if (asked.empty() || asked.back()->questions.size() == ProcReader::kMostQuestions ||
        is_known_to_hang(questions[i]) || is_known_to_hang(asked.back()->questions.back())) {
      asked.push_back(std::make_shared<Batch>(io_));
      queue_.push_back(asked.back());
    }
    asked.back()->questions.push_back(questions[i]);
  }
  if (!asked.empty() && !working_) {
    working_ = true;
    spawn(io_, "read about callers", work());
  }
  auto missing = identities.begin();
  for (const std::shared_ptr<Batch>& batch : asked) {
    while (!batch->is_answered) {
      (void)co_await batch->answered.async_wait(kAsTuple);
    }
    for (const SerializedIdentity& identity : batch->identities) {
      missing = std::find(missing, identities.end(), nullptr);
      *missing = identity;
    }
  }
  co_return identities;
}

// The process still runs, so its number still means it; the clues tell that it dialled just now.
SerializedIdentity Resolver::remember(const caller::Clues& question) {
  const auto known = question.pid == 0 || question.is_fresh ? known_.end() : known_.find(question.pid);
  if (known == known_.end()) {
    return nullptr;
  }
  caller::Clues same = known->second.question;
  same.dialled_at = question.dialled_at;
  same.inode = question.inode;
  same.cookie = question.cookie;
  const bool is_valid = same == question && known->second.started <= question.dialled_at &&
                        std::chrono::steady_clock::now() - known->second.read < kKnownAge &&
                        !has_ended(known->second.process);
  if (!is_valid) {
    known_.erase(known);
    return nullptr;
  }
  return known->second.identity;
}

// `process` was opened before its details were read: if it still runs, they are its own.
void Resolver::keep(const caller::Clues& question, SerializedIdentity identity, std::int64_t started,
                    UniqueFd process) {
  if (!process || started == 0 || has_ended(process)) {
    return;
  }
  if (known_.size() >= kMostKnown) {
    known_.clear();
  }
  known_[question.pid] = {.question = question,
                          .identity = std::move(identity),
                          .started = started,
                          .read = std::chrono::steady_clock::now(),
                          .process = std::move(process)};
}

// Asks the child, batch by batch. One that it does not answer in time is asked question by question, so that
// a hostile process spoils nobody else's answer.
asio::awaitable<void> Resolver::work() {
  while (!queue_.empty()) {
    const std::shared_ptr<Batch> batch = queue_.front();
    queue_.pop_front();
    const bool is_hopeless = batch->questions.size() == 1 && is_known_to_hang(batch->questions.front());
    const bool answered = !is_hopeless && co_await ask_reader(*batch);
    if (!answered && batch->questions.size() > 1) {
      for (const caller::Clues& question : std::exchange(batch->questions, {})) {
        Batch single(io_);
        single.questions.push_back(question);
        const bool single_answered = !is_known_to_hang(question) && co_await ask_reader(single);
        if (!single_answered) {
          answer_without_reader(single);
        }
        batch->identities.push_back(single.identities.front());
      }
    } else if (!answered) {
      answer_without_reader(*batch);
    }
    batch->is_answered = true;
    batch->answered.cancel();
  }
  working_ = false;
}

asio::awaitable<bool> Resolver::ask_reader(Batch& batch) {
  if (!reader_) {
    Result<std::unique_ptr<ProcReader>> reader =
        ProcReader::start(io_, settings_.proc, settings_.cgroup_root);
    if (!reader) {
      log::warn("callers stay unknown: cannot {}", reader.error().message());
      co_return false;
    }
    reader_ = std::move(*reader);
  }
  std::vector<UniqueFd> processes;
  for (const caller::Clues& question : batch.questions) {
    processes.push_back(question.pid != 0 ? open_process(question.pid) : UniqueFd());
  }
  bool answered = reader_->ask(batch.questions);
  std::vector<SerializedIdentity> identities;
  for (std::size_t i = 0; answered && i < batch.questions.size(); ++i) {
    std::optional<ProcReader::Answer> answer = co_await reader_->receive(settings_.deadline);
    answered = answer.has_value();
    if (answered) {
      identities.push_back(std::make_shared<const std::string>(std::move(answer->identity)));
      keep(batch.questions[i], identities.back(), answer->started, std::move(processes[i]));
    }
  }
  if (identities.size() != batch.questions.size()) {
    reader_.reset();
    co_return false;
  }
  batch.identities = std::move(identities);
  co_return true;
}

bool Resolver::is_known_to_hang(const caller::Clues& question) {
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(hanging_, [now](const auto& entry) { return entry.second <= now; });
  return question.pid != 0 && hanging_.contains(question.pid);
}

void Resolver::answer_without_reader(Batch& batch) {
  batch.identities.clear();
  for (const caller::Clues& question : batch.questions) {
    if (question.pid != 0 && hanging_.size() < kMostHanging) {
      hanging_.try_emplace(question.pid, std::chrono::steady_clock::now() + kLeaveAlone);
    }
    caller::Identity identity = known_from(question, users_);
    identity.unknown_because =
        "reading /proc took longer than " + std::to_string(settings_.deadline.count()) + " ms";
    batch.identities.push_back(std::make_shared<const std::string>(caller::serialize(identity)));
  }
}

}  // namespace msi2imds::resolver
