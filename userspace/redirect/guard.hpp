// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::redirect {

// A child process that undoes what would outlive this process, should this process be killed. Needed for
// firewall rules and programs that are attached without a link.
class Guard {
 public:
  // `undo` runs in the child, once this process is gone; it finds open only stdio and `descriptors`.
  static Result<Guard> start(const std::function<void()>& undo, const std::vector<int>& descriptors);

  Guard(Guard&& other) noexcept;
  Guard& operator=(Guard&&) = delete;
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // Dismisses the child: there is nothing left to undo, or a successor will do it.
  ~Guard();

 private:
  Guard(pid_t pid, UniqueFd alarm);

  pid_t pid_;
  UniqueFd alarm_;  // the child acts when its other end reads nothing more
};

// Does `task` in a process of its own, which outlives this one and is not this one's child.
[[nodiscard]] Result<void> run_detached(const std::function<void()>& task);

}  // namespace msi2imds::redirect
