// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/command.hpp"

namespace msi2imds::redirect {

// A host with the tools that a test gives it; the others are not installed.
class FakeCommandRunner final : public CommandRunner {
 public:
  struct Call {
    std::string command;  // "nft list tables"
    std::string input;
  };

  // The next answer to `command`. The last one is given again and again.
  void answer(const std::string& command, CommandResult result) {
    answers_[command].push_back(std::move(result));
  }
  void succeed(const std::string& command, std::string output = {}) {
    answer(command, {.exit_status = 0, .output = std::move(output), .error = {}});
  }
  void fail(const std::string& command, int exit_status, std::string error) {
    answer(command, {.exit_status = exit_status, .output = {}, .error = std::move(error)});
  }

  [[nodiscard]] asio::awaitable<Result<CommandResult>> run(std::string program,
                                                           std::vector<std::string> arguments,
                                                           std::string input) override {
    std::string command = program;
    for (const std::string& argument : arguments) {
      command += " " + argument;
    }
    calls.push_back({.command = command, .input = std::move(input)});
    const auto found = answers_.find(command);
    if (found == answers_.end()) {
      co_return Error::from_errno(ENOENT, "run " + program);
    }
    CommandResult result = found->second.front();
    if (found->second.size() > 1) {
      found->second.pop_front();
    }
    co_return result;
  }

  [[nodiscard]] std::size_t count(const std::string& command) const {
    std::size_t count = 0;
    for (const Call& call : calls) {
      count += call.command == command ? 1 : 0;
    }
    return count;
  }

  std::vector<Call> calls;

 private:
  std::map<std::string, std::deque<CommandResult>> answers_;
};

}  // namespace msi2imds::redirect
