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
#include <string>
#include <vector>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "resolver/identifier.hpp"

namespace msi2imds::resolver {

// A process that reads /proc for this one; destroying it ends it, however it hangs.
class ProcReader {
 public:
  static constexpr std::size_t kMostQuestions = 64;  // at a time

  struct Answer {
    std::int64_t started = 0;  // as in Found
    std::string identity;      // serialized
  };

  // `cgroup_root` is the root directory of cgroup2, -1 for none; it stays the caller's.
  static Result<std::unique_ptr<ProcReader>> start(asio::io_context& io, const std::string& proc,
                                                   int cgroup_root);
  ProcReader(const ProcReader&) = delete;
  ProcReader& operator=(const ProcReader&) = delete;
  ~ProcReader();

  // Sends at most kMostQuestions, each of which gets an answer, in order. False: it is gone.
  [[nodiscard]] bool ask(const std::vector<caller::Clues>& questions);

  // Nothing: it hangs, or is gone. A busy machine may let it have more than `time`.
  asio::awaitable<std::optional<Answer>> receive(std::chrono::milliseconds time);

 private:
  ProcReader(asio::io_context& io, pid_t pid, UniqueFd socket);
  [[nodiscard]] bool is_runnable() const;

  pid_t pid_;
  asio::posix::stream_descriptor socket_;
  asio::steady_timer timer_;
  std::unique_ptr<char[]> room_;  // for the longest answer
};

}  // namespace msi2imds::resolver
