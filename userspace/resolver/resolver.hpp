// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "accounts/accounts.hpp"
#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/holder.hpp"
#include "base/unique_fd.hpp"
#include "resolver/fair_queue.hpp"
#include "resolver/hash_queue.hpp"
#include "resolver/known_callers.hpp"
#include "resolver/proc_reader.hpp"
#include "resolver/program_hashes.hpp"
#include "resolver/shared.hpp"
#include "resolver/user_names.hpp"

namespace msi2imds::resolver {

// Is told the command line of the caller of whom resolve() has given that identity; once who it is has been
// answered.
using HearCommandLine = std::function<void(const SerializedIdentity& identity, std::string_view line)>;

struct Settings {
  std::string proc = "/proc";
  int cgroup_root =
      -1;  // the root directory of cgroup2, for as long as the resolver lives; -1: there is none
  std::chrono::milliseconds deadline{100};
  // How long an answer of the reader, and the hash of a program, may take, however busy their process seems.
  std::chrono::milliseconds patience{10'000};
  std::chrono::milliseconds patience_for_hash{60'000};
  accounts::Files account_files{};
  HearCommandLine hear_command_line = nullptr;
  BecomeReader become_reader = resolver::become_reader;
};

// Finds out who callers are, without ever hanging: /proc is read by a child process, which is ended and
// replaced when it has made no step by the deadline, or says what it was not asked. What one user asks, or
// does to hold it up, costs others at most one deadline. `io` is not run any more once it is gone.
class Resolver {
 public:
  Resolver(asio::io_context& io, Settings settings);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  // Who made each of the connections, in order.
  asio::awaitable<std::vector<SerializedIdentity>> resolve(std::vector<caller::Clues> questions);

 private:
  // Questions of the same owner wait for each other: of one user with all his uids (base/holder.hpp).
  using Owner = std::uint32_t;
  using Until = std::unordered_map<std::int32_t, std::chrono::steady_clock::time_point>;  // by process

  // The questions that were asked together.
  struct Together {
    explicit Together(asio::io_context& io) : answered(io, asio::steady_timer::time_point::max()) {}
    std::vector<SerializedIdentity> identities;
    std::size_t missing = 0;
    asio::steady_timer answered;  // cancelled when none is missing
  };
  struct Open {
    caller::Clues clues;
    std::shared_ptr<Together> together;  // none: it is answered, and only its command line is not known
    std::size_t place = 0;               // in `together`
    bool is_with_reader = false;
    std::chrono::steady_clock::time_point asked = {};  // the reader
    bool was_hashed = false;                           // what its process runs; it is asked about once more
    std::string without_hash = {};                     // its identity, serialized, as far as it is known
    UniqueFd process;                                  // opened before it was asked about
    SerializedIdentity identity = nullptr;
  };

  [[nodiscard]] Owner owner_of(const caller::Clues& clues) const;
  void begin(const caller::Clues& question, const std::shared_ptr<Together>& together, std::size_t place);
  void begin_work();
  asio::awaitable<void> work();
  bool start_reader();
  void begin_hash(std::uint64_t number, Open& open, ProcReader::Reply reply);
  [[nodiscard]] Result<std::unique_ptr<ProcReader>> start_hasher();
  void finish_hash(std::uint64_t number, bool is_hashed);
  void leave_reader(Open& open);
  void warn_without_filter();
  void ask_reader();
  [[nodiscard]] bool is_expected(const ProcReader::Reply& reply) const;
  [[nodiscard]] bool take(ProcReader::Reply reply);
  [[nodiscard]] bool is_overdue(const Open& open) const;
  [[nodiscard]] bool has_overdue_answers();
  void finish(Open& open, SerializedIdentity identity);
  void give_up_reader();
  void leave_alone(const ProcReader::Doing& doing);
  [[nodiscard]] std::optional<std::string> why_unanswerable(std::uint64_t number, const Open& open,
                                                            const ProcReader::Doing& doing,
                                                            const std::optional<caller::Clues>& hung) const;
  void queue_again(std::optional<Owner> last);
  void answer_without_reader(Open& open, const std::string& reason);
  [[nodiscard]] static std::string too_late(std::chrono::milliseconds than);

  asio::io_context& io_;
  Settings settings_;
  Holders owners_;
  UserNames users_;  // for whoever the reader does not tell about
  std::unique_ptr<ProcReader> reader_;
  std::map<std::uint64_t, Open> open_;  // by their numbers
  std::uint64_t last_number_ = 0;
  FairQueue<Owner, std::uint64_t> waiting_;
  std::map<Owner, int> with_reader_;  // how many questions
  std::size_t untold_ = 0;            // command lines that the reader has still to tell
  bool working_ = false;
  bool has_warned_ = false;
  bool reader_has_answered_ = false;  // the present one, anything yet
  std::chrono::steady_clock::time_point looked_for_overdue_ = {};
  KnownCallers known_;
  Shared<ProgramHashes> hashes_;  // kept whichever reader or hasher writes them
  HashQueue hash_queue_;
  Until hanging_;     // processes that are left alone
  Until unreadable_;  // processes whose command lines are not read
};

}  // namespace msi2imds::resolver
