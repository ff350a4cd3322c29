// SPDX-License-Identifier: MIT
#include "resolver/executable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/unique_fd.hpp"
#include "resolver/mounts.hpp"

namespace msi2imds::resolver {
bool is_file(const std::string& path, const KernelFile& file, const std::string& mounts) {
  const UniqueFd opened(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!opened || ::fstat(opened.get(), &status) != 0 || status.st_ino != file.inode) {
    return false;
  }
  if (as_the_kernel_numbers(major(status.st_dev), minor(status.st_dev)) == file.device) {
    return true;
  }
  const std::string id = mount_of(opened);
  return has_mount(mounts, [&](const Mount& mount) { return mount.id == id && mount.device == file.device; });
}

}  // namespace msi2imds::resolver
