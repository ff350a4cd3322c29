// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/descriptors.hpp"
#include "base/unique_fd.hpp"
#include "cli/callers_report.hpp"
#include "cli/report_files.hpp"

namespace msi2imds::cli {
Result<std::string> read_state_file(const std::string& path) {
  // A FIFO must not make us wait.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) {
    return Error::from_errno(errno, "open '" + path + "'");
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    return Error::from_errno(errno, "look at '" + path + "'");
  }
  if (!S_ISREG(status.st_mode)) {
    return Error::from_errno(EINVAL, "read '" + path + "', which is not a regular file");
  }
  return read_all(fd.get(), path, usage::kMaxJson);
}

Result<void> write_page(const std::string& path, std::string_view page, unsigned mode) {
  if (path == "-") {
    return write_all(STDOUT_FILENO, page, "write standard output");
  }
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    return Error(
        {},
        "write '" + path +
            "': it is there, and not an ordinary file; expected the name of one, or - for standard output");
  }
  // A new file beside it takes its place: nobody sees half a page.
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) {
    return Error::from_errno(errno, "write '" + path + "' (a new file in its directory)");
  }
  auto result = write_all(fd.get(), page, "write '" + path + "'");
  if (result && (::fchmod(fd.get(), mode) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0)) {
    result = Error::from_errno(errno, "write '" + path + "'");
  }
  if (!result) {
    (void)::unlink(temporary.c_str());  // the failure that matters is the first one
  }
  return result;
}

}  // namespace msi2imds::cli
