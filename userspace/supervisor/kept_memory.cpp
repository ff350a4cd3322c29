// SPDX-License-Identifier: MIT
#include "supervisor/kept_memory.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/log.hpp"
#include "base/secret.hpp"
#include "supervisor/service_manager.hpp"

namespace msi2imds::supervisor {
namespace {

// Of the memory, and in the service manager's store (systemd 233 and later).
constexpr const char* kMemoryName = "msi2imds-tokens";

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

// Older service managers do not tell names: a file that has none is known by its kind.
bool is_memory(const UniqueFd& file) {
  struct stat found {};
  return ::fstat(file.get(), &found) == 0 && S_ISREG(found.st_mode) && found.st_nlink == 0;
}

// The system call itself, since C libraries of the machines that we are built on may not know it.
UniqueFd make_memfd() {
  for (const unsigned flags : {MFD_CLOEXEC | MFD_NOEXEC_SEAL, MFD_CLOEXEC}) {
    const long made = ::syscall(SYS_memfd_create, kMemoryName, flags);
    if (made >= 0 || errno != EINVAL) {  // EINVAL: before Linux 6.3
      return UniqueFd(static_cast<int>(made));
    }
  }
  return {};
}

// Before Linux 3.17. Its name is gone before anything is in it.
UniqueFd make_tmpfs_file(const std::string& directory) {
  struct statfs file_system {};
  if (::statfs(directory.c_str(), &file_system) != 0 || file_system.f_type != TMPFS_MAGIC) {
    errno = ENOSYS;
    return {};
  }
  std::string path = directory + "/." + kMemoryName + ".XXXXXX";
  UniqueFd file(::mkostemp(path.data(), O_CLOEXEC));
  if (file) {
    (void)::unlink(path.c_str());
  }
  return file;
}

UniqueFd make_memory(const std::string& directory) {
  UniqueFd memory = make_memfd();
  if (!memory) {
    memory = make_tmpfs_file(directory);
  }
  if (memory) {
    (void)::fchmod(memory.get(), 0600);
  }
  return memory;
}

// With a directory of what is kept, and some room to spare for pieces that nothing fits into.
std::uint64_t size_for(std::uint64_t tokens_bytes) {
  constexpr std::uint64_t kPage = 4096;
  return (tokens_bytes + tokens_bytes / 4) / kPage * kPage + 16 * kPage;
}

}  // namespace

KeptMemory::KeptMemory(std::vector<UniqueFd>& inherited) {
  const auto found = std::find_if(inherited.begin(), inherited.end(), is_memory);
  if (found != inherited.end()) {
    memory_ = std::move(*found);
    inherited.erase(found);
  }
}

Result<int> KeptMemory::prepare(std::uint64_t tokens_bytes, const std::string& directory) {
  if (!memory_) {
    memory_ = make_memory(directory);
    if (!memory_) {
      return Error::from_errno(errno, "make memory for tokens");
    }
    store_descriptor(kMemoryName, memory_.get());
  }
  struct stat found {};
  const auto size = static_cast<off_t>(size_for(tokens_bytes));
  if (::fstat(memory_.get(), &found) == 0 && found.st_size != size) {
    wipe();
    if (::ftruncate(memory_.get(), size) != 0) {
      return Error::from_errno(errno, "make room for tokens");
    }
  }
  return memory_.get();
}

void KeptMemory::wipe() {
  struct stat found {};
  if (!memory_ || ::fstat(memory_.get(), &found) != 0) {
    return;
  }
  const Result<void> wiped = wipe_file(memory_.get(), 0, static_cast<std::uint64_t>(found.st_size));
  if (!wiped) {
    log::error("{}", wiped.error().message());
  }
}

void KeptMemory::give_up() {
  if (memory_) {
    wipe();
    (void)::ftruncate(memory_.get(), 0);
    remove_stored_descriptor(kMemoryName);
    memory_.reset();
  }
}

}  // namespace msi2imds::supervisor
