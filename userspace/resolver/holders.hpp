// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/directory.hpp"

namespace msi2imds::resolver {

// A process that has a socket open, and under which of its numbers.
struct SocketHolder {
  pid_t pid = 0;
  int fd = -1;
};

// By the sockets' inodes; a process stands there once for each.
using SocketHolders = std::map<ino_t, std::vector<SocketHolder>>;

// What a search has found.
struct SearchResult {
  SocketHolders holders;
  std::string problem;  // any other process that could not be looked at, and why; empty: none
  // A process that nobody can look at because of a security module, or one that another user started and that
  // has too much open, and why; empty: there is none.
  std::string forbidden;
};

// Looks for the processes that have certain sockets open, in slices: somebody may have a million descriptors.
class HolderSearch {
 public:
  // `proc` is /proc, or a tree like it. Only processes whose effective user is `uid` are looked at; none:
  // all.
  HolderSearch(std::string proc, std::optional<uid_t> uid, std::set<ino_t> inodes);

  // Looks on for as long as `may_go_on`, which is asked now and then; true once everything was looked at.
  [[nodiscard]] bool advance(const std::function<bool()>& may_go_on);

  [[nodiscard]] const SearchResult& found() const {
    return found_;
  }
  // The process that is being looked at; 0: none in particular.
  [[nodiscard]] pid_t at() const {
    return at_;
  }

 private:
  bool list_processes(const std::function<bool()>& may_go_on);
  bool list_descriptors(const std::function<bool()>& may_go_on);
  void open_next_process();
  [[nodiscard]] bool was_begun_by_another(pid_t pid) const;
  [[nodiscard]] bool is_of_user(int proc, const char* process);
  void look_at(const char* descriptor);
  [[nodiscard]] std::string path_of_process() const;
  void note(int err, const std::string& what);

  std::string proc_;
  std::optional<uid_t> uid_;
  std::set<ino_t> inodes_;
  Directory processes_;
  std::vector<pid_t> pids_;       // still to be looked at, the next one last
  std::vector<pid_t> of_others_;  // the same, afterwards: setuid programs that another user runs
  bool is_of_another_ = false;    // whether at_ is one of these
  std::size_t seen_of_others_ = 0;
  Directory descriptors_;  // of at_
  pid_t at_ = 0;
  SearchResult found_;
};

// The same in one go; whom it cannot look at, it passes over.
[[nodiscard]] SocketHolders find_holders(const std::string& proc, std::optional<uid_t> uid,
                                         const std::set<ino_t>& inodes);

// Whether it still has the socket open under that number.
[[nodiscard]] bool holds(const std::string& proc, const SocketHolder& holder, ino_t inode);

// Whether the process has the socket open: looks at all that it has open.
[[nodiscard]] bool holds(const std::string& proc, pid_t pid, ino_t inode);

}  // namespace msi2imds::resolver
