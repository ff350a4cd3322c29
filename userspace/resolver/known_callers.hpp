// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/unique_fd.hpp"
#include "caller/clues.hpp"

namespace msi2imds::resolver {

// An identity as caller::serialize() writes it, without a command line. Nobody reads it here.
using SerializedIdentity = std::shared_ptr<const std::string>;

// A pidfd; none where the kernel has no such thing (before 5.3).
[[nodiscard]] UniqueFd open_process(pid_t pid);

// Who the processes are that have called lately, each for as long as it runs and a second at most: within
// that, an exec may go unnoticed where no rule depends on the program.
class KnownCallers {
 public:
  // Nothing, if that process is not known, has ended, or was asked about with other clues. Whether it still
  // runs is looked at once for all questions with the same `now`, by which they have all been asked.
  [[nodiscard]] SerializedIdentity find(const caller::Clues& question,
                                        std::chrono::steady_clock::time_point now);

  // `process` was opened before its details were read, so that they are its own if it still runs; without it
  // nothing is kept. It has run since `started` (0: unknown), on the clock of caller::Clues::dialled_at.
  void keep(const caller::Clues& question, SerializedIdentity identity, std::int64_t started,
            UniqueFd process);

 private:
  struct Known {
    caller::Clues question;
    SerializedIdentity identity;
    std::int64_t started = 0;
    std::chrono::steady_clock::time_point read;
    std::chrono::steady_clock::time_point seen;  // running
    UniqueFd process;
  };

  std::unordered_map<std::int32_t, Known> known_;  // by process
};

}  // namespace msi2imds::resolver
