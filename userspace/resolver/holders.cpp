// SPDX-License-Identifier: MIT
#include "resolver/holders.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <functional>
#include <optional>
#include <string_view>

#include "base/directory.hpp"
#include "resolver/process.hpp"

namespace msi2imds::resolver {
namespace {

// "socket:[4711]"
std::optional<ino_t> socket_inode(int directory, const char* name) {
  std::array<char, 64> target{};
  const ssize_t size = ::readlinkat(directory, name, target.data(), target.size());
  std::string_view text(target.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  constexpr std::string_view kPrefix = "socket:[";
  if (!text.starts_with(kPrefix)) {
    return std::nullopt;
  }
  text.remove_prefix(kPrefix.size());
  ino_t inode = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), inode);
  return ec == std::errc() && *end == ']' ? std::optional(inode) : std::nullopt;
}

void for_each_socket(const std::string& proc, pid_t pid, const std::function<void(ino_t)>& act) {
  const std::string path = proc + "/" + std::to_string(pid) + "/fd";
  const Directory directory(::opendir(path.c_str()));
  while (directory != nullptr) {
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) {
      return;
    }
    if (const auto inode = socket_inode(::dirfd(directory.get()), static_cast<const char*>(entry->d_name))) {
      act(*inode);
    }
  }
}

}  // namespace

std::map<ino_t, std::vector<pid_t>> find_holders(const std::string& proc, const std::set<ino_t>& inodes) {
  std::map<ino_t, std::vector<pid_t>> holders;
  for (const pid_t pid : list_pids(proc)) {
    for_each_socket(proc, pid, [&](ino_t inode) {
      if (!inodes.contains(inode)) {
        return;
      }
      std::vector<pid_t>& found = holders[inode];
      if (found.empty() || found.back() != pid) {  // once, under however many numbers it has it
        found.push_back(pid);
      }
    });
  }
  return holders;
}

bool holds(const std::string& proc, pid_t pid, ino_t inode) {
  bool found = false;
  for_each_socket(proc, pid, [&](ino_t other) { found = found || other == inode; });
  return found;
}

}  // namespace msi2imds::resolver
