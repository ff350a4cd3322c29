// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>

#include "base/holder.hpp"
#include "resolver/investigation.hpp"
#include "resolver/program_hashes.hpp"

namespace msi2imds::resolver {

enum class ReplyKind : std::uint8_t {
  identity,      // an identity follows (caller::serialize)
  unhashed,      // the same, but the hash of the program of process `pid` has to be found out first
  command_line,  // a command line follows
  hashed,        // the program was read, as far as it could be
};

// What the reader of /proc begins a message with.
struct ReplyHeader {
  std::uint64_t number = 0;
  std::int64_t started = 0;
  pid_t pid = 0;
  ReplyKind kind = ReplyKind::identity;
  std::uint8_t more = 0;
  std::uint8_t reserved[2] = {};
};

struct ReaderSettings {
  int socket = -1;  // SOCK_SEQPACKET: a Question in a message, and replies
  pid_t parent = 0;
  std::string proc;
  int cgroup_root = -1;
  std::set<pid_t> unreadable;
  Holders owners = {};
  ProgramHashes* hashes = nullptr;
  bool hashes_programs = false;  // does that, and nothing else
};

// What a forked child does until its parent is gone: answers questions.
[[noreturn]] void become_reader(const ReaderSettings& settings, Progress& progress);

// What such a child does instead, in tests of what its parent makes of it.
using BecomeReader = void (*)(const ReaderSettings& settings, Progress& progress);

}  // namespace msi2imds::resolver
