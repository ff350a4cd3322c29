// SPDX-License-Identifier: MIT
#include "supervisor/other_network.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "base/directory.hpp"
#include "base/log.hpp"

namespace msi2imds::supervisor {
namespace {

// What is entered is the thread's.
constexpr const char* kOwn = "/proc/thread-self/ns/net";

// The first thread of a process may have ended before the others; it has no network any more then.
std::string path_of(pid_t pid) {
  const std::string process = "/proc/" + std::to_string(pid);
  std::string path = process + "/ns/net";
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 || errno != ENOENT) {
    return path;
  }
  const std::string threads = process + "/task";
  const Directory listed(::opendir(threads.c_str()));
  while (const dirent* entry = listed == nullptr ? nullptr : ::readdir(listed.get())) {
    std::string of_thread = threads + "/" + static_cast<const char*>(entry->d_name) + "/ns/net";
    if (entry->d_name[0] != '.' && ::stat(of_thread.c_str(), &status) == 0) {
      return of_thread;
    }
  }
  return path;
}

NetworkName network_in(const struct stat& status) {
  return {.device = status.st_dev, .inode = status.st_ino};
}

std::optional<NetworkName> network_at(const char* path) {
  struct stat status {};
  return ::stat(path, &status) == 0 ? std::optional(network_in(status)) : std::nullopt;
}

Error cannot_enter() {
  return Error::from_errno(errno, "enter a container's network");
}

}  // namespace

std::optional<NetworkName> own_network() {
  return network_at(kOwn);
}

std::optional<NetworkName> network_of(pid_t pid) {
  return network_at(path_of(pid).c_str());
}

std::optional<NetworkName> network_of(const UniqueFd& open_one) {
  struct stat status {};
  return ::fstat(open_one.get(), &status) == 0 ? std::optional(network_in(status)) : std::nullopt;
}

UniqueFd open_network(pid_t pid) {
  return UniqueFd(::open(path_of(pid).c_str(), O_RDONLY | O_CLOEXEC));
}

NetworkVisit::NetworkVisit(const UniqueFd& network) : home_(::open(kOwn, O_RDONLY | O_CLOEXEC)) {
  if (!home_ || ::setns(network.get(), CLONE_NEWNET) != 0) {
    entered_ = cannot_enter();
  }
}

NetworkVisit::~NetworkVisit() {
  if (entered_ && ::setns(home_.get(), CLONE_NEWNET) != 0) {
    log::error("cannot go on: come back from a container's network: {}",
               std::system_category().message(errno));
    std::_Exit(EXIT_FAILURE);
  }
}

Result<void> may_enter_networks() {
  const UniqueFd home(::open(kOwn, O_RDONLY | O_CLOEXEC));
  return NetworkVisit(home).entered();
}

}  // namespace msi2imds::supervisor
