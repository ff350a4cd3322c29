// SPDX-License-Identifier: MIT
#include "resolver/known_callers.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "caller/caller.hpp"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

namespace msi2imds::resolver {
namespace {

constexpr std::size_t kMostKnown = 256;
constexpr std::chrono::seconds kKnownAge{1};

bool still_runs(const UniqueFd& process) {
  pollfd state{.fd = process.get(), .events = POLLIN, .revents = 0};
  return ::poll(&state, 1, 0) == 0;
}

}  // namespace

UniqueFd open_process(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

// The process still runs, so its number still means it; the clues tell that it dialled just now.
SerializedIdentity KnownCallers::find(const caller::Clues& question,
                                      std::chrono::steady_clock::time_point now) {
  const auto known = question.pid == 0 || question.is_fresh ? known_.end() : known_.find(question.pid);
  if (known == known_.end()) {
    return nullptr;
  }
  const bool is_valid = caller::are_of_one_caller(known->second.question, question) &&
                        known->second.started <= question.dialled_at &&
                        now - known->second.read < kKnownAge &&
                        (known->second.seen == now || still_runs(known->second.process));
  if (!is_valid) {
    known_.erase(known);
    return nullptr;
  }
  known->second.seen = now;
  return known->second.identity;
}

void KnownCallers::keep(const caller::Clues& question, SerializedIdentity identity, std::int64_t started,
                        UniqueFd process) {
  if (!process || started == 0 || !still_runs(process)) {
    return;
  }
  if (known_.size() >= kMostKnown) {
    known_.clear();
  }
  known_[question.pid] = {.question = question,
                          .identity = std::move(identity),
                          .started = started,
                          .read = std::chrono::steady_clock::now(),
                          .seen = {},
                          .process = std::move(process)};
}

}  // namespace msi2imds::resolver
