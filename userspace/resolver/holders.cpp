// SPDX-License-Identifier: MIT
#include "resolver/holders.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>
#include <utility>

namespace msi2imds::resolver {
namespace {

constexpr int kEntriesBetweenLooks = 64;  // at the clock, which costs as much as an entry

template <typename T>
std::optional<T> to_number(std::string_view text) {
  T number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  return ec == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// "socket:[4711]"
std::optional<ino_t> socket_inode(int directory, const char* name) {
  std::array<char, 64> target{};
  const ssize_t size = ::readlinkat(directory, name, target.data(), target.size());
  std::string_view text(target.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  constexpr std::string_view kPrefix = "socket:[";
  if (!text.starts_with(kPrefix) || !text.ends_with(']')) {
    return std::nullopt;
  }
  text.remove_prefix(kPrefix.size());
  text.remove_suffix(1);
  return to_number<ino_t>(text);
}

// A process's directory always belongs to its effective user, whether or not it may be dumped.
bool is_of_user(int proc, const char* process, std::optional<uid_t> uid) {
  struct stat status {};
  return !uid || (::fstatat(proc, process, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_uid == *uid);
}

// Acts on the names in a directory for as long as may be; true at its end.
template <typename Act>
bool for_each_entry(const Directory& directory, const std::function<bool()>& may_go_on, Act act) {
  for (int seen = 1; const dirent* entry = directory ? ::readdir(directory.get()) : nullptr; ++seen) {
    act(static_cast<const char*>(entry->d_name));
    if (seen % kEntriesBetweenLooks == 0 && !may_go_on()) {
      return false;
    }
  }
  return true;
}

}  // namespace

HolderSearch::HolderSearch(std::string proc, std::optional<uid_t> uid, std::set<ino_t> inodes)
    : proc_(std::move(proc)), uid_(uid), inodes_(std::move(inodes)), processes_(::opendir(proc_.c_str())) {}

bool HolderSearch::advance(const std::function<bool()>& may_go_on) {
  if (processes_ && !list_processes(may_go_on)) {
    return false;
  }
  while (descriptors_ || !pids_.empty()) {
    if (!descriptors_) {
      at_ = pids_.back();
      pids_.pop_back();
      descriptors_.reset(::opendir((proc_ + "/" + std::to_string(at_) + "/fd").c_str()));
    }
    if (!list_descriptors(may_go_on)) {
      return false;
    }
    descriptors_.reset();
    at_ = 0;
    if (!pids_.empty() && !may_go_on()) {
      return false;
    }
  }
  return true;
}

bool HolderSearch::list_processes(const std::function<bool()>& may_go_on) {
  const int proc = ::dirfd(processes_.get());
  const bool is_over = for_each_entry(processes_, may_go_on, [&](const char* name) {
    const auto pid = to_number<pid_t>(name);
    if (pid && is_of_user(proc, name, uid_)) {
      pids_.push_back(*pid);
    }
  });
  if (is_over) {
    processes_.reset();
  }
  return is_over;
}

bool HolderSearch::list_descriptors(const std::function<bool()>& may_go_on) {
  return for_each_entry(descriptors_, may_go_on, [&](const char* name) {
    const auto fd = to_number<int>(name);
    const auto inode = fd ? socket_inode(::dirfd(descriptors_.get()), name) : std::nullopt;
    if (!inode || !inodes_.contains(*inode)) {
      return;
    }
    std::vector<Holder>& holders = found_[*inode];
    if (holders.empty() || holders.back().pid != at_) {  // once, under however many numbers it has it
      holders.push_back({.pid = at_, .fd = *fd});
    }
  });
}

Holders find_holders(const std::string& proc, std::optional<uid_t> uid, const std::set<ino_t>& inodes) {
  HolderSearch search(proc, uid, inodes);
  while (!search.advance([] { return true; })) {
  }
  return search.found();
}

bool holds(const std::string& proc, const Holder& holder, ino_t inode) {
  const std::string name = proc + "/" + std::to_string(holder.pid) + "/fd/" + std::to_string(holder.fd);
  return socket_inode(AT_FDCWD, name.c_str()) == inode;
}

bool holds(const std::string& proc, pid_t pid, ino_t inode) {
  const Directory descriptors(::opendir((proc + "/" + std::to_string(pid) + "/fd").c_str()));
  bool found = false;
  (void)for_each_entry(
      descriptors, [&found] { return !found; },
      [&](const char* name) { found = found || socket_inode(::dirfd(descriptors.get()), name) == inode; });
  return found;
}

}  // namespace msi2imds::resolver
