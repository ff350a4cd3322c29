// SPDX-License-Identifier: MIT
#include "waagent/tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/directory.hpp"

namespace msi2imds::waagent {
UniqueFd open_below(const UniqueFd& directory, const std::string& name, int flags) {
  return UniqueFd(
      ::openat(directory.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags));
}

Result<std::string> read_below(const UniqueFd& directory, const std::string& name, std::size_t max_size) {
  const std::string doing = "read '" + name + "'";
  const UniqueFd file = open_below(directory, name, 0);
  if (!file) {
    return Error::from_errno(errno, doing);
  }
  struct stat found {};
  if (::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode)) {
    return Error::from_errno(EINVAL, doing + ", which is no regular file");
  }
  std::string text(max_size + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = ::read(file.get(), text.data() + size, text.size() - size);
    if (count < 0) {
      return Error::from_errno(errno, doing);
    }
    if (count == 0) {
      break;
    }
    size += static_cast<std::size_t>(count);
  }
  if (size > max_size) {
    return Error::from_errno(EFBIG, doing);
  }
  text.resize(size);
  return text;
}

std::vector<std::string> names_in(const UniqueFd& directory) {
  // A descriptor of its own, since reading moves the position that duplicates share.
  UniqueFd own(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const Directory stream(::fdopendir(own.get()));
  std::vector<std::string> names;
  if (stream == nullptr) {
    return names;
  }
  (void)own.release();  // closedir() closes it
  while (const dirent* entry = ::readdir(stream.get())) {
    names.emplace_back(static_cast<const char*>(entry->d_name));
  }
  return names;
}

}  // namespace msi2imds::waagent
