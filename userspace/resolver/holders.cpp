// SPDX-License-Identifier: MIT
#include "resolver/holders.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "resolver/credentials.hpp"

namespace msi2imds::resolver {
namespace {

constexpr int kEntriesBetweenLooks = 64;  // at the clock, which costs as much as an entry
// So many descriptors of setuid programs are looked at in all: any user can start such programs with as many
// descriptors as he likes.
constexpr std::size_t kMostOfOthers = 65536;

// A process that has ended has nothing open any more.
bool has_gone(int err) {
  return err == ENOENT || err == ESRCH;
}

// "socket:[4711]". Otherwise errno tells whether it could not be read; 0: it is no socket.
std::optional<ino_t> socket_inode(int directory, const char* name) {
  std::array<char, 64> target{};
  errno = 0;
  const ssize_t size = ::readlinkat(directory, name, target.data(), target.size());
  if (size < 0 &&
      errno == ENAMETOOLONG) {  // a path of more than a page, which anybody can make and hand over
    errno = 0;
  }
  std::string_view text(target.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  constexpr std::string_view kPrefix = "socket:[";
  if (!text.starts_with(kPrefix) || !text.ends_with(']')) {
    return std::nullopt;
  }
  text.remove_prefix(kPrefix.size());
  text.remove_suffix(1);
  return parse_number<ino_t>(text);
}

// Acts on the names in a directory for as long as may be; true at its end, with errno where it could not be
// read to the end.
template <typename Act>
bool for_each_entry(const Directory& directory, const std::function<bool()>& may_go_on, Act act) {
  const auto next = [&directory] {
    errno = 0;
    return directory ? ::readdir(directory.get()) : nullptr;
  };
  for (int seen = 1; const dirent* entry = next(); ++seen) {
    act(static_cast<const char*>(entry->d_name));
    if (seen % kEntriesBetweenLooks == 0 && !may_go_on()) {
      return false;
    }
  }
  return true;
}

}  // namespace

HolderSearch::HolderSearch(std::string proc, std::optional<uid_t> uid, std::set<ino_t> inodes)
    : proc_(std::move(proc)), uid_(uid), inodes_(std::move(inodes)), processes_(::opendir(proc_.c_str())) {
  if (!processes_) {
    note(errno, proc_);
  }
}

bool HolderSearch::advance(const std::function<bool()>& may_go_on) {
  if (processes_ && !list_processes(may_go_on)) {
    return false;
  }
  while (descriptors_ || !pids_.empty() || !of_others_.empty()) {
    if (!descriptors_) {
      open_next_process();
    }
    if (!list_descriptors(may_go_on)) {
      return false;
    }
    descriptors_.reset();
    at_ = 0;
    if (!(pids_.empty() && of_others_.empty()) && !may_go_on()) {
      return false;
    }
  }
  return true;
}

void HolderSearch::open_next_process() {
  is_of_another_ = pids_.empty();
  std::vector<pid_t>& pids = is_of_another_ ? of_others_ : pids_;
  at_ = pids.back();
  pids.pop_back();
  descriptors_.reset(::opendir((path_of_process() + "/fd").c_str()));
  if (!descriptors_ && !has_gone(errno)) {
    note(errno, "process " + std::to_string(at_));
  }
}

bool HolderSearch::list_processes(const std::function<bool()>& may_go_on) {
  const int proc = ::dirfd(processes_.get());
  const bool is_over = for_each_entry(processes_, may_go_on, [&](const char* name) {
    const auto pid = parse_number<pid_t>(name);
    if (pid && is_of_user(proc, name)) {
      (was_begun_by_another(*pid) ? of_others_ : pids_).push_back(*pid);
    }
  });
  if (is_over) {
    if (errno != 0) {
      note(errno, proc_);
    }
    processes_.reset();
  }
  return is_over;
}

// A process's directory always belongs to its effective user, whether or not it may be dumped.
bool HolderSearch::is_of_user(int proc, const char* process) {
  struct stat status {};
  if (!uid_) {
    return true;
  }
  if (::fstatat(proc, process, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (!has_gone(errno)) {
      note(errno, std::string("process ") + process);
    }
    return false;
  }
  return status.st_uid == *uid_;
}

// Its real user is another one: a setuid program, or one that acts for somebody for a while.
bool HolderSearch::was_begun_by_another(pid_t pid) const {
  const auto credentials = uid_ ? read_credentials(proc_, pid) : std::nullopt;
  return credentials && credentials->uids.front() != *uid_;
}

bool HolderSearch::list_descriptors(const std::function<bool()>& may_go_on) {
  bool is_enough = false;
  const auto goes_on = [&] {
    is_enough = is_of_another_ && seen_of_others_ > kMostOfOthers;
    return !is_enough && may_go_on();
  };
  const bool is_over = for_each_entry(descriptors_, goes_on, [this](const char* descriptor) {
    seen_of_others_ += is_of_another_ ? 1 : 0;
    look_at(descriptor);
  });
  if (is_enough) {
    if (found_.forbidden.empty()) {
      found_.forbidden = "process " + std::to_string(at_) + ", which another user began, has too much open";
    }
    return true;
  }
  if (is_over && errno != 0 && !has_gone(errno)) {
    note(errno, "process " + std::to_string(at_));
  }
  return is_over;
}

void HolderSearch::look_at(const char* descriptor) {
  const auto fd = parse_number<int>(descriptor);
  if (!fd) {
    return;
  }
  const auto inode = socket_inode(::dirfd(descriptors_.get()), descriptor);
  if (!inode && errno != 0 && !has_gone(errno)) {
    const int err = errno;  // EACCES also where it has ended
    struct stat status {};
    if (::stat(path_of_process().c_str(), &status) == 0) {
      note(err, "process " + std::to_string(at_));
    }
  }
  if (!inode || !inodes_.contains(*inode)) {
    return;
  }
  std::vector<SocketHolder>& holders = found_.holders[*inode];
  if (holders.empty() || holders.back().pid != at_) {  // once, however many of its descriptors it is
    holders.push_back({.pid = at_, .fd = *fd});
  }
}

std::string HolderSearch::path_of_process() const {
  return proc_ + "/" + std::to_string(at_);
}

// Keeps the first failure of each kind.
void HolderSearch::note(int err, const std::string& what) {
  std::string& why = err == EACCES || err == EPERM ? found_.forbidden : found_.problem;
  if (why.empty()) {
    why = Error::from_errno(err, what).message();
  }
}

SocketHolders find_holders(const std::string& proc, std::optional<uid_t> uid, const std::set<ino_t>& inodes) {
  HolderSearch search(proc, uid, inodes);
  while (!search.advance([] { return true; })) {
  }
  return search.found().holders;
}

bool holds(const std::string& proc, const SocketHolder& holder, ino_t inode) {
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
