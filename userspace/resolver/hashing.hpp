// SPDX-License-Identifier: MIT
#pragma once

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
  Hashing(std::string proc, ProgramHashes& hashes, Listener& listener, Progress& progress)
      : proc_(std::move(proc)), hashes_(hashes), listener_(listener), progress_(progress) {}

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

  std::string proc_;
  ProgramHashes& hashes_;
  Listener& listener_;
  Progress& progress_;
  FairQueue<std::int64_t, Job> jobs_;  // by user
};

}  // namespace msi2imds::resolver
