// SPDX-License-Identifier: MIT
#include "loader/cgroup.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

namespace msi2imds::loader {
namespace {

constexpr const char* kRunDirectory = "/run/msi2imds";
constexpr const char* kOwnMount = "/run/msi2imds/cgroup2";

Result<UniqueFd> open_directory(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    const int err = errno;
    return Error::from_errno(err, "open cgroup '" + path + "'");
  }
  return fd;
}

bool is_cgroup2(const UniqueFd& directory) {
  struct statfs found {};
  return ::fstatfs(directory.get(), &found) == 0 && found.f_type == CGROUP2_SUPER_MAGIC;
}

// The mount point of a line of mountinfo (proc(5)) that shows a whole cgroup2 hierarchy. A mount of a part of
// it, as containers have, would hide the processes outside.
std::optional<std::string> mount_point_of(const std::string& line) {
  std::istringstream words(line);
  const std::vector<std::string> fields(std::istream_iterator<std::string>(words), {});
  std::size_t separator = 6;  // behind the fixed fields there are optional ones
  while (separator < fields.size() && fields[separator] != "-") {
    ++separator;
  }
  const bool is_whole =
      separator + 1 < fields.size() && fields[separator + 1] == "cgroup2" && fields[3] == "/";
  return is_whole ? std::optional(fields[4]) : std::nullopt;
}

std::optional<std::string> find_mount() {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::optional<std::string> found = mount_point_of(line);
    const Result<UniqueFd> root = found ? open_directory(*found) : Result<UniqueFd>(UniqueFd());
    if (found && root && is_cgroup2(*root)) {
      return found;
    }
  }
  return std::nullopt;
}

// A temporary mount of cgroup2 and its directory, both removed with this object.
class OwnMountPoint {
 public:
  OwnMountPoint() : made_run_directory_(::mkdir(kRunDirectory, 0755) == 0) {
    (void)::mkdir(kOwnMount, 0700);  // mount() tells when it could not be made
  }
  OwnMountPoint(const OwnMountPoint&) = delete;
  OwnMountPoint& operator=(const OwnMountPoint&) = delete;
  ~OwnMountPoint() {
    (void)::rmdir(kOwnMount);
    if (made_run_directory_) {
      (void)::rmdir(kRunDirectory);
    }
  }

 private:
  bool made_run_directory_;
};

// The open directory keeps working when the mount is gone.
Result<UniqueFd> open_own_root() {
  const OwnMountPoint place;
  if (::mount("msi2imds", kOwnMount, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return Error::from_errno(errno, "mount cgroup2, which nobody has mounted here");
  }
  Result<UniqueFd> root = open_directory(kOwnMount);
  (void)::umount2(kOwnMount, MNT_DETACH);
  return root;
}

// Empty unless keep_unmounted_root() has opened it.
UniqueFd& kept_root() {
  static UniqueFd root;
  return root;
}

Result<UniqueFd> open_unmounted_root() {
  if (!kept_root()) {
    return open_own_root();
  }
  UniqueFd root(::openat(kept_root().get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) {
    return Error::from_errno(errno, "open cgroup '/' again");
  }
  return root;
}

// A cgroup that disappears meanwhile is skipped.
void visit_below(const UniqueFd& parent, const std::string& path, const CgroupVisitor& visit) {
  std::error_code ec;
  const std::string entries = "/proc/self/fd/" + std::to_string(parent.get());
  for (std::filesystem::directory_iterator entry(entries, ec), end; !ec && entry != end;
       entry.increment(ec)) {
    std::error_code ignored;
    if (!entry->is_directory(ignored)) {
      continue;
    }
    const std::string name = entry->path().filename().string();
    const UniqueFd child(::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (child) {
      visit(child.get(), path + name);
      visit_below(child, path + name + "/", visit);
    }
  }
}

}  // namespace

Result<UniqueFd> open_cgroup(const std::string& path) {
  const std::optional<std::string> mount = find_mount();
  if (mount) {
    return open_directory(path == "/" ? *mount : *mount + path);
  }
  if (path != "/") {
    return Error::from_errno(ENOTSUP, "find cgroup '" + path +
                                          "': this host keeps its processes in cgroups of version 1, and "
                                          "only those of version 2 can be named");
  }
  return open_unmounted_root();
}

void keep_unmounted_root() {
  if (Result<UniqueFd> root = find_mount() ? Result<UniqueFd>(UniqueFd()) : open_own_root(); root) {
    kept_root() = std::move(*root);
  }
}

void visit_cgroups(const CgroupVisitor& visit) {
  const Result<UniqueFd> root = open_cgroup("/");
  if (root) {
    visit(root->get(), "/");
    visit_below(*root, "/", visit);
  }
}

}  // namespace msi2imds::loader
