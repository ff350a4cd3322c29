// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>

#include "resolver/investigation.hpp"

namespace msi2imds::resolver {

// What the reader of /proc begins a message with; behind it is an identity (caller::serialize), or a command
// line.
struct ReplyHeader {
  std::uint64_t number = 0;
  std::int64_t started = 0;
  std::uint8_t is_identity = 0;
  std::uint8_t more = 0;
  std::uint8_t reserved[6] = {};
};

struct ReaderSettings {
  int socket = -1;  // SOCK_SEQPACKET: a Question in a message, and replies
  pid_t parent = 0;
  std::string proc;
  int cgroup_root = -1;
  std::set<pid_t> unreadable;
};

// What a forked child does until its parent is gone: answers questions.
[[noreturn]] void become_reader(const ReaderSettings& settings, Progress& progress);

}  // namespace msi2imds::resolver
