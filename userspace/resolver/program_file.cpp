// SPDX-License-Identifier: MIT
#include "resolver/program_file.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace msi2imds::resolver {
namespace {

constexpr std::uint64_t kLargest = std::uint64_t{512} * 1024 * 1024;
constexpr auto kFuse = 0x65735546;

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

std::optional<FileKey> key_of(const UniqueFd& file) {
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  return FileKey{.device = status.st_dev,
                 .inode = status.st_ino,
                 .size = static_cast<std::uint64_t>(status.st_size),
                 .modified = nanoseconds(status.st_mtim),
                 .changed = nanoseconds(status.st_ctim)};
}

// A user may serve a file system of their own, with another content for each
// reader.
ProgramFile open_program(const std::string& proc, pid_t pid) {
  ProgramFile program;
  const std::string exe = proc + "/" + std::to_string(pid) + "/exe";
  struct statfs system {};
  const UniqueFd named(::open(exe.c_str(), O_PATH | O_CLOEXEC));
  if (!named || ::fstatfs(named.get(), &system) != 0) {
    program.problem = "its program cannot be opened";
    return program;
  }
  if (system.f_type == kFuse) {
    program.problem = "its program is on a file system that a user serves (FUSE)";
    return program;
  }
  program.file = UniqueFd(::open(exe.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  const auto key = key_of(program.file);
  const auto named_key = key_of(named);
  if (!key || key != named_key) {
    program.problem = "its program cannot be opened";
  } else if (key->size > kLargest) {
    program.problem = "its program is larger than 512 MiB";
  }
  program.key = key.value_or(FileKey());
  return program;
}

}  // namespace msi2imds::resolver
