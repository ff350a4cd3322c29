// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::redirect {

// What is to be done when our process is killed.
enum class IfKilled {
  undo,
  leave,  // nothing: the next process takes over what is there
};

// A child process that undoes what would outlive this process, unless it is told that there is no need.
// Needed for firewall rules and programs that are attached without a link.
class Guard {
 public:
  // Returns false when what is left to undo has to wait for somebody else, and is to be tried again.
  using Undo = std::function<bool()>;

  // `undo` runs in the child once this process has destroyed the guard, or is gone while `if_killed` is
  // IfKilled::undo. While it returns false it runs again, after growing pauses, for ten minutes at most. It
  // finds only stdio and `descriptors` open. On an error there is no child: it could not be made, or was
  // ended because it was not ready in time.
  static asio::awaitable<Result<Guard>> start(Undo undo, std::vector<int> descriptors,
                                              std::chrono::milliseconds patience = kPatience,
                                              IfKilled if_killed = IfKilled::undo);

  Guard(Guard&& other) noexcept;
  Guard& operator=(Guard&&) = delete;
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // Lets the child act, unless it was dismissed; does not wait for it. collect_ended_guards() has to follow.
  ~Guard();

  // Lets the child act, and go on trying until it has succeeded or is dismissed.
  void take_over();

  // Ends the child, whatever it is doing: there is nothing left to undo, or a successor will do it.
  void dismiss();

  // Whether the child has ended, and if so, whether nothing is left to undo. Collects it.
  [[nodiscard]] std::optional<bool> outcome();

  static constexpr std::chrono::milliseconds kPatience{5000};

 private:
  Guard(pid_t pid, UniqueFd alarm);

  pid_t pid_;
  UniqueFd alarm_;  // the child acts when it is told to here, and learns that we are gone
};

// Collects the children of guards that are no more, once these have ended.
void collect_ended_guards();

// Does `task` in a process of its own, which outlives this one and is not this one's child.
[[nodiscard]] asio::awaitable<Result<void>> run_detached(std::function<void()> task);

}  // namespace msi2imds::redirect
