// SPDX-License-Identifier: MIT
#include "cli/cgroup_visit.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <string_view>

#include "loader/cgroup.hpp"

namespace msi2imds::cli {
namespace {

constexpr std::string_view kVersion2 = "0::";

// "/system.slice/ssh.service", from the line of version 2 in /proc/self/cgroup.
std::string own_cgroup() {
  std::ifstream lines("/proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kVersion2)) {
      return line.substr(kVersion2.size());
    }
  }
  return {};
}

bool enter(const UniqueFd& cgroup) {
  const UniqueFd processes(::openat(cgroup.get(), "cgroup.procs", O_WRONLY | O_CLOEXEC));
  return processes && ::write(processes.get(), "0", 1) == 1;  // 0: whoever writes
}

}  // namespace

CgroupVisit::CgroupVisit(const std::string& cgroup) {
  const std::string home = own_cgroup();
  if (cgroup.empty() || home.empty() || home == cgroup) {
    return;
  }
  Result<UniqueFd> there = loader::open_cgroup(cgroup);
  Result<UniqueFd> back = loader::open_cgroup(home);
  if (there && back && enter(*there)) {
    home_ = std::move(*back);
  }
}

CgroupVisit::~CgroupVisit() {
  if (home_) {
    (void)enter(home_);  // this process ends soon
  }
}

}  // namespace msi2imds::cli
