// SPDX-License-Identifier: MIT
#include "waagent/note.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.hpp"
#include "waagent/tree.hpp"

namespace msi2imds::waagent {
namespace {

constexpr std::size_t kMaxNote = 4096;
constexpr mode_t kStateDirectoryMode = 0750;

}  // namespace

Result<void> write_note(const std::filesystem::path& directory, const std::string& name,
                        std::string_view text) {
  const std::string doing = "write '" + (directory / name).string() + "'";
  (void)::mkdir(directory.c_str(), kStateDirectoryMode);  // opening tells whether it is there
  const UniqueFd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) {
    return Error::from_errno(errno, doing);
  }
  const std::string fresh = name + ".new";
  (void)::unlinkat(folder.get(), fresh.c_str(), 0);  // of one that did not come to its end
  const UniqueFd file(
      ::openat(folder.get(), fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) {
    return Error::from_errno(errno, doing);
  }
  const ssize_t written = ::write(file.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    return Error::from_errno(written < 0 ? errno : ENOSPC, doing);
  }
  if (::renameat(folder.get(), fresh.c_str(), folder.get(), name.c_str()) != 0) {
    return Error::from_errno(errno, doing);
  }
  return {};
}

std::string read_note(const std::filesystem::path& directory, const std::string& name) {
  const UniqueFd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat found {};
  if (!folder || ::fstatat(folder.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0 ||
      found.st_uid != ::geteuid() || (found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return {};
  }
  const Result<std::string> text = read_below(folder, name, kMaxNote);
  return text ? *text : std::string();
}

}  // namespace msi2imds::waagent
