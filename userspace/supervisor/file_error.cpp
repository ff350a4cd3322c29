// SPDX-License-Identifier: MIT
#include "supervisor/file_error.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>

namespace msi2imds::supervisor {
namespace {

constexpr mode_t kPermissions = 07777;

// Nothing where the file does not exist, or its owner and mode are not in the way.
std::optional<std::string> whose(const std::string& kind, const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0 || (found.st_uid == ::geteuid() && (found.st_mode & S_IWUSR) != 0)) {
    return std::nullopt;
  }
  return fmt::format(
      " (the {} '{}' belongs to uid {}, mode {:04o}: it has to belong to uid {}, who may write it)", kind,
      path, found.st_uid, found.st_mode & kPermissions, ::geteuid());
}

}  // namespace

Error file_error(int err, const std::string& what, const std::string& path) {
  std::optional<std::string> reason;
  if (err == EACCES || err == EPERM) {
    reason = whose("file", path);
    const std::filesystem::path directory = std::filesystem::path(path).parent_path();
    for (const std::filesystem::path& above : {directory, directory.parent_path()}) {
      reason = reason ? reason : whose("directory", above.string());
    }
  }
  return Error::from_errno(err, what + " '" + path + "'" + reason.value_or(""));
}

}  // namespace msi2imds::supervisor
