// SPDX-License-Identifier: MIT
#include "confinement/root_directory.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace msi2imds::confinement {

Result<UniqueFd> make_empty_directory(const std::string& parent) {
  std::string path = parent + "/.empty-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) {
    return Error::from_errno(errno, "make an empty directory in '" + parent + "'");
  }
  UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const int err = errno;
  if (::rmdir(path.c_str()) != 0) {
    return Error::from_errno(errno, "remove '" + path + "'");
  }
  if (!directory) {
    return Error::from_errno(err, "open '" + path + "'");
  }
  return directory;
}

Result<bool> use_as_root(const UniqueFd& directory) {
  if (::fchdir(directory.get()) != 0) {
    return Error::from_errno(errno, "enter the empty directory");
  }
  if (::chroot(".") != 0) {
    if (errno == EPERM || errno == ENOSYS) {  // ENOSYS: by a filter of those who started us
      return false;
    }
    return Error::from_errno(errno, "make the empty directory the root");
  }
  return true;
}

}  // namespace msi2imds::confinement
