// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/command.hpp"
#include "doctor/finding.hpp"
#include "doctor/host.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::doctor {

// Programs that print what the test says; there are no others.
class FakeCommands final : public CommandRunner {
 public:
  asio::awaitable<Result<CommandResult>> run(std::string program, std::vector<std::string> arguments,
                                             std::string /*input*/) override {
    calls.push_back(program + " " + (arguments.empty() ? "" : arguments.back()));
    const auto found = outputs.find(program);
    if (found == outputs.end()) {
      co_return Error::from_errno(ENOENT, "run " + program);
    }
    co_return CommandResult{.exit_status = 0, .output = found->second, .error = {}};
  }

  std::map<std::string, std::string> outputs;
  std::vector<std::string> calls;
};

// A machine that has nothing but what the test puts there.
class FakeMachine : public ::testing::Test {
 protected:
  FakeMachine() {
    config.waagent.root = directory.file("waagent");
    config.waagent.state_directory = directory.file("state");
  }

  void write(const std::string& path, std::string_view text) const {
    const std::filesystem::path file = directory.path() / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }

  [[nodiscard]] Host host() {
    return {.config = config,
            .plan = {.legacy_ports = config.legacy.ports},
            .callers = callers,
            .is_running = is_running,
            .is_root = is_root,
            .root = {.proc = directory.file("proc"),
                     .etc = directory.file("etc"),
                     .run = directory.file("run"),
                     .usr = directory.file("usr")},
            .commands = commands};
  }

  support::TemporaryDirectory directory;
  config::Config config;
  usage::Table callers;
  FakeCommands commands;
  bool is_running = false;
  bool is_root = true;
};

// The one whose text has this in it; a failure, and an empty one, if there is none.
inline Finding find(const Findings& findings, std::string_view text) {
  const auto found = std::ranges::find_if(
      findings, [text](const Finding& finding) { return finding.text.find(text) != std::string::npos; });
  if (found != findings.end()) {
    return *found;
  }
  std::string all;
  for (const Finding& finding : findings) {
    all += finding.text + "\n";
  }
  ADD_FAILURE() << "nothing says '" << text << "':\n" << all;
  return {};
}

}  // namespace msi2imds::doctor
