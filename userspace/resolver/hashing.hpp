// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "resolver/fair_queue.hpp"
#include "resolver/investigation.hpp"
#include "resolver/program_file.hpp"
#include "resolver/program_hashes.hpp"
#include "resolver/sha256.hpp"

namespace msi2imds::resolver {

// Reads the programs of processes to their ends, piece by piece, and keeps
// their hashes. Users take turns. In a process of its own: a slow disk keeps
// nobody waiting who does not ask for a program that is new.
class Hashing {
 public:
  // A file's time of change may be the same for two changes shortly one after the other, so one that has
  // changed within `settling` has no hash yet.
  Hashing(std::string proc, ProgramHashes& hashes, Listener& listener, Progress& progress,
          std::chrono::nanoseconds settling = std::chrono::seconds(2))
      : proc_(std::move(proc)),
        hashes_(hashes),
        listener_(listener),
        progress_(progress),
        settling_(settling) {}

  // Of the process that the clues name.
  void ask(const Question& question);

  // Reads one piece. False: there is nothing to do.
  bool advance();

 private:
  struct Job {
    Question question;
    std::optional<ProgramFile> program;  // none: it has not begun
    Sha256 hash;
    std::uint64_t read = 0;
  };

  // Whether it is over.
  bool advance(Job& job);
  [[nodiscard]] bool has_settled(const FileKey& file) const;

  std::string proc_;
  ProgramHashes& hashes_;
  Listener& listener_;
  Progress& progress_;
  std::chrono::nanoseconds settling_;
  FairQueue<std::int64_t, Job> jobs_;  // by user
};

}  // namespace msi2imds::resolver
