// SPDX-License-Identifier: MIT
#include "kernel/scratch_cgroup.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

#include "base/unique_fd.hpp"

namespace msi2imds::kernel {
namespace {

std::string& current_path() {
  static std::string path;
  return path;
}

std::string& mount_point() {
  static std::string path;
  return path;
}

std::string find_mount_point() {
  for (const char* place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    if (::access((std::string(place) + "/cgroup.subtree_control").c_str(), F_OK) == 0) {
      return place;
    }
  }
  return {};
}

bool move_to(const std::string& cgroup) {
  std::ofstream processes(mount_point() + cgroup + "/cgroup.procs");
  processes << ::getpid() << std::flush;
  return static_cast<bool>(processes);
}

// The line of version 2 in /proc/self/cgroup: "0::/path".
std::string home_cgroup() {
  std::ifstream lines("/proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("0::")) {
      return line.substr(3);
    }
  }
  return "/";
}

// A task that is exiting is not moved along, and keeps its cgroup until it is gone: the kernel tells when, by
// an event on cgroup.events.
bool remove_when_empty(const std::string& directory) {
  constexpr int kMillisecondsForAnEvent = 5000;
  const UniqueFd events{::open((directory + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC)};
  while (::rmdir(directory.c_str()) != 0) {
    std::array<char, 128> unread{};
    (void)::pread(events.get(), unread.data(), unread.size(), 0);  // from here on, a change is an event
    if (::rmdir(directory.c_str()) == 0) {
      break;
    }
    pollfd event{.fd = events.get(), .events = POLLPRI, .revents = 0};
    if (errno != EBUSY || ::poll(&event, 1, kMillisecondsForAnEvent) <= 0) {
      return false;
    }
  }
  return true;
}

std::string& home() {
  static std::string path;
  return path;
}

}  // namespace

ScratchCgroup::ScratchCgroup() {
  mount_point() = find_mount_point();
  if (mount_point().empty()) {
    return;
  }
  home() = home_cgroup();
  const std::string path = "/msi2imds-test-" + std::to_string(::getpid());
  if (::mkdir((mount_point() + path).c_str(), 0755) == 0 && move_to(path)) {
    current_path() = path;
  }
}

ScratchCgroup::~ScratchCgroup() {
  if (current_path().empty()) {
    return;
  }
  const std::string directory = mount_point() + current_path();
  (void)move_to(home());
  if (!remove_when_empty(directory)) {
    std::cerr << "cannot remove " << directory << ": " << std::strerror(errno) << '\n';
  }
}

const std::string& ScratchCgroup::path() {
  return current_path();
}

}  // namespace msi2imds::kernel
