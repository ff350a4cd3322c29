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

// Two changes of a file shortly after one another may leave the same time, so a file that has changed within
// this last while gets no hash yet.
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

  // Asks for the hash of the program that the process in the clues runs.
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

  // Whether the job is done.
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
