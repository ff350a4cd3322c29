// SPDX-License-Identifier: MIT
#include "loader/cgroup_watch.hpp"

#include <sys/inotify.h>

#include <cerrno>
#include <filesystem>

#include "loader/cgroup.hpp"

namespace msi2imds::loader {

Result<CgroupWatch> CgroupWatch::open() {
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) {
    return Error::from_errno(errno, "watch cgroups");
  }
  return CgroupWatch(std::move(inotify));
}

// By its descriptor, since cgroup2 may be mounted anywhere, or nowhere. One that is missing is made later, in
// one above it, which tells.
void CgroupWatch::follow(const std::string& cgroup) {
  for (std::filesystem::path above = cgroup; above.has_relative_path();) {
    above = above.parent_path();
    const Result<UniqueFd> directory = open_cgroup(above.string());
    if (directory) {
      const std::string path = "/proc/self/fd/" + std::to_string(directory->get());
      (void)::inotify_add_watch(inotify_.get(), path.c_str(),
                                IN_CREATE | IN_ONLYDIR);  // it is looked for anyway
    }
  }
}

}  // namespace msi2imds::loader
