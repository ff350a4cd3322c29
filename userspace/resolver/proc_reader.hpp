// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/message.hpp"
#include "base/unique_fd.hpp"
#include "resolver/investigation.hpp"
#include "resolver/reader_process.hpp"
#include "resolver/shared.hpp"

namespace msi2imds::resolver {

// A process that reads /proc for this one; destroying it ends it, however it hangs.
class ProcReader {
 public:
  struct Settings {
    std::string proc = "/proc";
    int cgroup_root = -1;  // the root directory of cgroup2, -1 for none; it stays the caller's
    // Processes of which it is not to read the command line.
    std::set<pid_t> unreadable;
    Holders owners = {};
    ProgramHashes* hashes = nullptr;  // shared
    bool hashes_programs = false;     // does that, and nothing else
    BecomeReader become = become_reader;
  };
  struct Reply {
    std::uint64_t number = 0;  // of the question
    std::int64_t started = 0;  // as in Found
    ReplyKind kind = ReplyKind::identity;
    pid_t pid = 0;      // whose program is to be hashed
    bool more = false;  // a command line will follow
    std::string text;   // the identity, serialized
  };
  // What it is doing.
  struct Doing {
    Step step = Step::none;
    std::uint64_t question = 0;
    pid_t pid = 0;
  };

  static Result<std::unique_ptr<ProcReader>> start(asio::io_context& io, const Settings& settings);
  ProcReader(const ProcReader&) = delete;
  ProcReader& operator=(const ProcReader&) = delete;
  ~ProcReader();

  // Each question gets an identity, in an order of the reader's choice. False: it cannot take another one
  // now.
  [[nodiscard]] bool ask(const Question& question);

  // Nothing: it hangs, is gone, or says what is no reply. It hangs when it has made no step for that long (on
  // a busy machine, while it has run for less), and when it is silent for all of its patience, whatever it
  // does.
  asio::awaitable<std::optional<Reply>> receive(std::chrono::milliseconds time,
                                                std::chrono::milliseconds patience);

  [[nodiscard]] Doing doing() const;
  // Why it could not begin; empty: it could.
  [[nodiscard]] std::string failure() const;
  // It works without a filter of system calls, since this kernel has none.
  [[nodiscard]] bool has_no_filter() const {
    return progress_->has_no_filter;
  }

 private:
  ProcReader(asio::io_context& io, pid_t pid, UniqueFd socket, Shared<Progress> progress);
  struct Running {
    bool is_runnable = false;
    std::chrono::milliseconds ran{};  // its time on the processors
  };
  [[nodiscard]] Running running() const;
  [[nodiscard]] std::optional<Reply> take_reply(const ReceivedMessage& came) const;

  pid_t pid_;
  Shared<Progress> progress_;
  asio::posix::stream_descriptor socket_;
  asio::steady_timer timer_;
  std::unique_ptr<char[]> room_;  // for the longest reply
};

}  // namespace msi2imds::resolver
