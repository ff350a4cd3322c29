// SPDX-License-Identifier: MIT
#include "kernel/scratch_cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>

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
  if (!current_path().empty()) {
    (void)move_to(home());
    (void)::rmdir((mount_point() + current_path()).c_str());
  }
}

const std::string& ScratchCgroup::path() {
  return current_path();
}

}  // namespace msi2imds::kernel
