// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::redirect {

// A child process that undoes what would outlive this process, unless it is told that there is no need.
// Needed for firewall rules and programs that are attached without a link.
class Guard {
 public:
  // Returns false when what is left to undo has to wait for somebody else, and is to be tried again.
  using Undo = std::function<bool()>;

  // `undo` runs in the child, once this process is gone or has destroyed the guard, and again after growing
  // pauses, for ten minutes at most; it finds open only stdio and `descriptors`.
  static Result<Guard> start(const Undo& undo, const std::vector<int>& descriptors);

  Guard(Guard&& other) noexcept;
  Guard& operator=(Guard&&) = delete;
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // Lets the child act, unless it was dismissed; does not wait for it.
  ~Guard();

  // Lets the child act, and go on trying until it has succeeded or is dismissed.
  void take_over();

  // Ends the child, whatever it is doing: there is nothing left to undo, or a successor will do it.
  void dismiss();

 private:
  Guard(pid_t pid, UniqueFd alarm);

  pid_t pid_;
  UniqueFd alarm_;  // the child acts when its other end reads nothing more
};

// Does `task` in a process of its own, which outlives this one and is not this one's child.
[[nodiscard]] Result<void> run_detached(const std::function<void()>& task);

}  // namespace msi2imds::redirect
