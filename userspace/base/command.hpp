// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/asio.hpp"
#include "base/error.hpp"

namespace msi2imds {

// How a program ended.
struct CommandResult {
  int exit_status = 0;
  std::string output;  // stdout
  std::string error;   // stderr
};

// Runs programs of the host (nft, iptables, systemctl, restorecon) without blocking the event loop.
class CommandRunner {
 public:
  CommandRunner() = default;
  CommandRunner(const CommandRunner&) = delete;
  CommandRunner& operator=(const CommandRunner&) = delete;
  virtual ~CommandRunner() = default;

  // Runs `program` (a path, or a name to look for in the system's directories) with `input` on stdin and
  // waits for its end. Fails with ENOENT when there is no such program, with ETIMEDOUT when it was killed
  // because it took too long, and with EMSGSIZE when it wrote more than anybody should read. Cancelled, it
  // kills the program.
  [[nodiscard]] virtual asio::awaitable<Result<CommandResult>> run(std::string program,
                                                                   std::vector<std::string> arguments,
                                                                   std::string input) = 0;
};

// Without a shell and without our environment. A program that is still running is killed when we end.
class SystemCommandRunner final : public CommandRunner {
 public:
  explicit SystemCommandRunner(std::chrono::milliseconds patience = std::chrono::seconds(5))
      : patience_(patience) {}
  [[nodiscard]] asio::awaitable<Result<CommandResult>> run(std::string program,
                                                           std::vector<std::string> arguments,
                                                           std::string input) override;

 private:
  std::chrono::milliseconds patience_;
};

}  // namespace msi2imds
