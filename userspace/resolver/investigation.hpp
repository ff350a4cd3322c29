// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "resolver/fair_queue.hpp"
#include "resolver/holders.hpp"
#include "resolver/identifier.hpp"
#include "resolver/process.hpp"
#include "resolver/program_hashes.hpp"
#include "resolver/search_budget.hpp"

namespace msi2imds::resolver {

// What the supervisor asks of a caller; travels between processes as it is.
struct Question {
  std::uint64_t number = 0;
  caller::Clues clues;
};

// So many command lines may wait to be told, those of all users together; what is more is left out.
inline constexpr std::size_t kMostCommandLines = 4096;

enum class Step : std::uint32_t { none, identity, search, command_line, hash };

// How far the reader has come: written by it, and read by whoever has to tell one that works from one that
// hangs.
struct Progress {
  std::atomic<std::uint64_t> steps = 0;
  // What the step is about.
  std::atomic<Step> step = Step::none;
  std::atomic<pid_t> pid = 0;               // that is looked at; 0: none in particular
  std::atomic<std::uint64_t> question = 0;  // its number; of a search for several, the first
  // Before the first step.
  std::atomic<bool> has_no_filter = false;  // this kernel cannot filter system calls
  std::array<char, 256> failure{};          // why it has ended
};

// Where the answers go.
class Listener {
 public:
  Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  virtual ~Listener() = default;

  // Each question gets one. `more`: a command line will follow.
  virtual void hear_identity(std::uint64_t number, const Found& found, bool more) = 0;
  // Instead of hear_identity(): the identity is this one, but the hash of its program is not known yet.
  virtual void hear_unhashed(std::uint64_t number, const Found& found) = 0;
  // The program was read (Hashing).
  virtual void hear_hash(std::uint64_t number) = 0;
  // It may be empty.
  virtual void hear_command_line(std::uint64_t number, const std::string& line) = 0;
};

// Works off questions in small steps. Each group (Identifier) has its turn: whatever one asks, or has open,
// costs another a step. A search for holders looks at the processes of the socket's user alone. Who a caller
// is comes first; the command line, which no decision needs, when there is time for it.
class Investigation {
 public:
  using MakeBudget = std::function<SearchBudget()>;
  using MayBeRead = std::function<bool(pid_t)>;

  // `may_be_read` says of which processes the command line may be read.
  // `hashes` of programs, if there are any.
  Investigation(
      Identifier identifier, Listener& listener, Progress& progress, const ProgramHashes* hashes = nullptr,
      MayBeRead may_be_read = [](pid_t) { return true; },
      MakeBudget make_budget = [] { return SearchBudget(); });

  void ask(const Question& question);

  // Does one step. False: there is nothing to do.
  bool advance();

 private:
  // A question, with the processes that were found for it.
  struct Due {
    Question question;
    std::optional<SearchResult> search;  // for its socket; none: its clues name a process, or nobody may look
  };
  struct Search {
    HolderSearch search;
    std::vector<Question> questions;
  };
  struct OfGroup {
    std::deque<Due> due;
    std::map<uid_t, std::vector<Question>> unsearched;  // by the user of their socket
    std::optional<Search> search;
    SearchBudget budget;

    [[nodiscard]] bool wants_search() const {
      return search || !unsearched.empty();
    }
    [[nodiscard]] bool is_idle() const {
      return due.empty() && !wants_search();
    }
  };
  struct Text {
    std::uint64_t number = 0;
    pid_t pid = 0;
    Incarnation incarnation;
  };

  OfGroup& of(Group group);
  std::deque<Group>::iterator whose_turn();
  void take_turn(OfGroup& of_group, Group group);
  void begin_search(OfGroup& of_group, Group group);
  void go_on_searching(OfGroup& of_group);
  bool read_a_command_line();
  void answer(const Question& question, const std::optional<SearchResult>& search, Group group);
  [[nodiscard]] bool add_hash(Found& found) const;
  [[nodiscard]] std::optional<Text> text_about(std::uint64_t number, const Found& found, Group group) const;
  void begin_step(Step step, std::uint64_t question, pid_t pid);

  Identifier identifier_;
  Listener& listener_;
  Progress& progress_;
  const ProgramHashes* hashes_;
  MayBeRead may_be_read_;
  MakeBudget make_budget_;
  std::map<Group, OfGroup> groups_;
  std::size_t open_searches_ = 0;
  std::deque<Group> turns_;  // of those that are not idle, the next one first
  FairQueue<Group, Text> texts_;
  unsigned turns_since_text_ = 0;
};

}  // namespace msi2imds::resolver
