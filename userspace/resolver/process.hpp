// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace msi2imds::resolver {

inline constexpr std::size_t kLongestCommandLine = 4096;

// Which process a number stands for, and which program it runs: both change with any of these.
struct Incarnation {
  std::chrono::nanoseconds started{};  // since boot, in steps of a tick (10 ms), rounded down
  std::uint64_t code = 0;              // where its code and arguments are: another place after exec
  std::uint64_t arguments = 0;

  friend bool operator==(const Incarnation&, const Incarnation&) = default;
};

// Which file it is, whatever its content.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  friend bool operator==(const FileId&, const FileId&) = default;
};

// What /proc tells of a process; empty where it does not.
struct Process {
  pid_t pid = 0;
  Incarnation incarnation;
  std::string comm;
  std::string program;
  std::string program_problem;  // why it could not be looked at; empty: it was
  bool program_is_verified = false;
  FileId program_file;
  std::string root;  // where its paths lead, from here: "" or the root of process 1; with a verified program
  std::vector<gid_t> gids;
  std::string cgroup;  // the process's own, which it may have moved to after it made the socket
};

// The numbers of all processes.
[[nodiscard]] std::vector<pid_t> list_pids(const std::string& proc);

// `proc` is /proc, or a tree like it. A hostile process can make any of these take for ever.
[[nodiscard]] Result<Incarnation> read_incarnation(const std::string& proc, pid_t pid);

// Fails with has_ended(), if there is no such process or it has changed meanwhile. Does not look at its
// memory.
[[nodiscard]] Result<Process> read_process(const std::string& proc, pid_t pid);

// Whether an error says that the process has ended; otherwise the process could not be looked at.
[[nodiscard]] bool has_ended(const Error& error);

// The arguments as one line of at most kLongestCommandLine bytes, without secrets. They are in the process's
// own memory. Empty, if it is not what it was any more.
[[nodiscard]] std::string read_command_line(const std::string& proc, pid_t pid, const Incarnation& expected);

}  // namespace msi2imds::resolver
