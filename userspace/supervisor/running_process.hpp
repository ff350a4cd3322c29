// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "base/asio.hpp"
#include "base/unique_fd.hpp"
#include "supervisor/privileges.hpp"

namespace msi2imds::supervisor {

// Whether there is such a process, other than one that has ended and whose parent has not heard of it yet.
[[nodiscard]] bool is_running(pid_t pid);

// Another msi2imds. Its number cannot be taken by another process unnoticed: its directory in /proc is open.
class RunningProcess {
 public:
  // Who listens on that admin socket; nothing, if nobody does.
  [[nodiscard]] static std::optional<RunningProcess> find(const std::string& admin_socket);

  [[nodiscard]] pid_t pid() const {
    return pid_;
  }

  // Whether it was told to redirect nothing.
  [[nodiscard]] bool observes() const;

  // What it may do; nullopt, if it has ended.
  [[nodiscard]] std::optional<Capabilities> capabilities() const;

  // Sends it the signal and waits; false: it has not ended in time.
  asio::awaitable<bool> end(int signal, std::chrono::milliseconds patience) const;

 private:
  RunningProcess(pid_t pid, UniqueFd directory);
  [[nodiscard]] bool is_there() const;

  pid_t pid_;
  UniqueFd directory_;
};

}  // namespace msi2imds::supervisor
