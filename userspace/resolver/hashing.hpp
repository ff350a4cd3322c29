// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/holder.hpp"
#include "resolver/fair_queue.hpp"
#include "resolver/investigation.hpp"
#include "resolver/program_file.hpp"
#include "resolver/program_hashes.hpp"
#include "resolver/sha256.hpp"

namespace msi2imds::resolver {

// A file's time of change may be the same for two changes shortly one after the other, so one that has
// changed within it has no hash yet.
inline constexpr std::chrono::nanoseconds kSettling = std::chrono::seconds(2);

// Reads the programs of processes to their ends, piece by piece, and keeps
// their hashes. Users take turns, each with all his uids. In a process of its own: a slow disk keeps
// nobody waiting who does not ask for a program that is new. A program is open only while a piece of it is
// read, so however many wait, no descriptors run out.
class Hashing {
 public:
  Hashing(std::string proc, ProgramHashes& hashes, Listener& listener, Progress& progress,
          std::chrono::nanoseconds settling = kSettling, Holders users = {})
      : proc_(std::move(proc)),
        hashes_(hashes),
        listener_(listener),
        progress_(progress),
        settling_(settling),
        users_(std::move(users)) {}

  // Of the process that the clues name.
  void ask(const Question& question);

  // Reads one piece. False: there is nothing to do.
  bool advance();

 private:
  struct Job {
    Question question;
    std::optional<FileKey> key;  // none: it has not begun
    Sha256 hash;
    std::uint64_t read = 0;
  };

  // Whether it is over.
  bool advance(Job& job);
  bool read_piece(Job& job, const ProgramFile& program);
  [[nodiscard]] bool has_settled(const FileKey& file) const;

  std::string proc_;
  ProgramHashes& hashes_;
  Listener& listener_;
  Progress& progress_;
  std::chrono::nanoseconds settling_;
  Holders users_;
  FairQueue<std::uint32_t, Job> jobs_;  // by their owners
};

}  // namespace msi2imds::resolver
