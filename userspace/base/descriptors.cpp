// SPDX-License-Identifier: MIT
#include "base/descriptors.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace msi2imds {

Result<void> write_all(int fd, std::string_view text, const std::string& doing) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written == 0 || (written < 0 && errno != EINTR)) {
      return Error::from_errno(written == 0 ? ENOSPC : errno, doing);
    }
    text.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
  }
  return {};
}

// closefrom(3) asks close_range(2), or before Linux 5.9 /proc, for what is open.
void close_all_but(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  int next = STDERR_FILENO + 1;
  for (const int fd : kept) {
    for (; next < fd; ++next) {
      (void)::close(next);
    }
    next = std::max(next, fd + 1);
  }
  ::closefrom(next);
}

}  // namespace msi2imds
