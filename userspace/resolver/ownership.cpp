// SPDX-License-Identifier: MIT
#include "resolver/ownership.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

#include "base/unique_fd.hpp"

namespace msi2imds::resolver {

bool only_owner_may_change(const struct stat& status, uid_t owner) {
  return status.st_uid == owner && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool only_owner_may_change_on_the_way(int directory, std::string_view path, uid_t owner) {
  struct stat status {};
  if (::fstat(directory, &status) != 0 || !only_owner_may_change(status, owner)) {
    return false;
  }
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  for (std::size_t end = 0; end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    const std::string part(path.substr(0, end));
    if (::fstatat(directory, part.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(status.st_mode) ||
        !only_owner_may_change(status, owner)) {
      return false;
    }
  }
  return true;
}

bool only_owner_may_replace(int file, const std::string& root, uid_t owner) {
  const std::string path = path_of(file);
  if (!path.starts_with(root + "/")) {
    return false;
  }
  const UniqueFd top(::open((root + "/").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string_view below(path.data() + root.size(), path.rfind('/') - root.size());
  return top && only_owner_may_change_on_the_way(top.get(), below, owner);
}

std::string path_of(int fd) {
  const std::string name = "/proc/self/fd/" + std::to_string(fd);
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlink(name.c_str(), target.data(), target.size());
  return {target.data(),
          size > 0 && static_cast<std::size_t>(size) < target.size() ? static_cast<std::size_t>(size) : 0};
}

}  // namespace msi2imds::resolver
