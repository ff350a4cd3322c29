// SPDX-License-Identifier: MIT
#include "resolver/program_file.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>

#include "resolver/mounts.hpp"

namespace msi2imds::resolver {
namespace {

constexpr std::uint64_t kLargest = std::uint64_t{512} * 1024 * 1024;
constexpr std::uint32_t kFuse = 0x65735546;
constexpr std::uint32_t kXfs = 0x58465342;
constexpr std::uint32_t kErofs = 0xe0f5e1e2;
constexpr std::uint32_t kZfs = 0x2fc12fc1;
constexpr std::uint32_t kOverlay = 0x794c7630;
constexpr std::uint32_t kIso9660 = 0x9660;
// On disks of this machine, where each change leaves a time that users cannot set, and nobody may write to a
// program that runs.
constexpr std::array<std::uint32_t, 9> kKnown{EXT4_SUPER_MAGIC,  // ext2 and ext3, too
                                              kXfs,
                                              BTRFS_SUPER_MAGIC,
                                              F2FS_SUPER_MAGIC,
                                              kZfs,
                                              SQUASHFS_MAGIC,
                                              kErofs,
                                              kIso9660,
                                              kOverlay};

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Users may mount an overlay in a user namespace of theirs, and serve what lies below it. The devices of
// those that the machine has mounted stand in the mounts of process 1, whatever mount namespace it is seen
// from.
bool is_overlay_of_machine(const UniqueFd& file, const std::string& proc) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    return false;
  }
  const std::uint64_t device = as_the_kernel_numbers(major(status.st_dev), minor(status.st_dev));
  const std::string id = mount_of(file);
  return has_mount(proc + "/1/mountinfo", [&](const Mount& mount) {
    return mount.type == "overlay" && (mount.device == device || mount.id == id);
  });
}

// Why what is read of a file there need not be what is run; empty: it is.
std::string problem_of_file_system(const UniqueFd& file, const std::string& proc) {
  struct statfs system {};
  if (::fstatfs(file.get(), &system) != 0) {
    return "its program cannot be opened";
  }
  const auto type = static_cast<std::uint32_t>(system.f_type);
  if (type == kFuse) {
    return "its program is on a file system that a user serves (FUSE)";
  }
  if (type == TMPFS_MAGIC || type == RAMFS_MAGIC) {
    return "its program is in memory (tmpfs), where a change leaves no trace";
  }
  if (std::ranges::find(kKnown, type) == kKnown.end()) {
    return "its program is on a file system where a change may leave no trace";
  }
  if (type == kOverlay && !is_overlay_of_machine(file, proc)) {
    return "its program is on an overlay that is none of the machine's mounts";
  }
  return "";
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

ProgramFile open_program(const std::string& proc, pid_t pid) {
  ProgramFile program;
  const std::string exe = proc + "/" + std::to_string(pid) + "/exe";
  const UniqueFd named(::open(exe.c_str(), O_PATH | O_CLOEXEC));
  program.problem = named ? problem_of_file_system(named, proc) : "its program cannot be opened";
  if (!program.problem.empty()) {
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
