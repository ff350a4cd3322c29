// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "resolver/fair_queue.hpp"
#include "resolver/investigation.hpp"
#include "resolver/proc_reader.hpp"

namespace msi2imds::resolver {

// Questions that wait for the hash of a program. A process of its own reads the programs, the hasher: a slow
// disk holds up nobody but those whose programs are on it. One that hangs, or says what it was not asked, is
// ended and replaced. `io` is not run any more once the queue is gone.
class HashQueue {
 public:
  using Owner = std::uint32_t;  // their owners take turns
  struct Hooks {
    std::function<Result<std::unique_ptr<ProcReader>>()> start_hasher;
    std::function<bool(std::uint64_t number)> is_wanted;  // it still waits for its hash
    // Once for each question that is wanted: whether its program was read, as far as it can be.
    std::function<void(std::uint64_t number, bool is_hashed)> finish;
  };

  // `patience`: how long one program may take.
  HashQueue(asio::io_context& io, std::chrono::milliseconds patience, Hooks hooks);

  // `question` names the process that runs the program.
  void push(Owner owner, const Question& question);

 private:
  struct Asked {
    Owner owner = 0;
    std::chrono::steady_clock::time_point when;
  };

  asio::awaitable<void> work();
  [[nodiscard]] bool start_hasher();
  void ask_hasher();
  [[nodiscard]] bool is_hasher_overdue() const;
  void give_up_hasher();
  void finish(std::uint64_t number, bool is_hashed) const;

  asio::io_context& io_;
  std::chrono::milliseconds patience_;
  Hooks hooks_;
  std::unique_ptr<ProcReader> hasher_;
  FairQueue<Owner, Question> waiting_;
  std::map<std::uint64_t, Asked> with_hasher_;  // by the questions' numbers
  bool working_ = false;
};

}  // namespace msi2imds::resolver
