// SPDX-License-Identifier: MIT
#include "supervisor/kept_memory.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/log.hpp"
#include "base/message.hpp"
#include "base/secret.hpp"

namespace msi2imds::supervisor {
namespace {

// Of the memory, and in the service manager's store (systemd 233 and later).
constexpr const char* kMemoryName = "msi2imds-tokens";

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

bool is_memory(const UniqueFd& file) {
  struct stat found {};
  return ::fstat(file.get(), &found) == 0 && S_ISREG(found.st_mode) && found.st_nlink == 0;
}

// systemd watches what it holds, and before 234 takes nothing that cannot be watched, such as a file. So it
// is given a socket with a message in which the file is.
Result<UniqueFd> wrap(int file) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    return Error::from_errno(errno, "make a socket pair");
  }
  UniqueFd holder(ends[0]);
  const UniqueFd sender(ends[1]);
  if (!send_message(sender.get(), kMemoryName, file)) {
    return Error::from_errno(errno, "wrap the memory for tokens");
  }
  return holder;
}

// The message stays in the socket. The descriptor is empty if this is no such socket.
UniqueFd unwrap(const UniqueFd& holder) {
  std::array<char, 64> text{};
  return receive_message(holder.get(), text, MSG_PEEK).descriptor;
}

// The system call itself, since C libraries of the machines that we are built on may not know it.
Result<UniqueFd> make_memfd() {
  int err = 0;
  for (const unsigned flags : {MFD_CLOEXEC | MFD_NOEXEC_SEAL, MFD_CLOEXEC}) {
    UniqueFd made(static_cast<int>(::syscall(SYS_memfd_create, kMemoryName, flags)));
    if (made) {
      (void)::fcntl(made.get(), F_ADD_SEALS, F_SEAL_SEAL);  // nobody can make it unchangeable
      return made;
    }
    err = errno;
    if (err != EINVAL) {  // EINVAL: before Linux 6.3
      break;
    }
  }
  return Error::from_errno(err, "make memory for tokens");
}

// Before Linux 3.17. Its name is gone before anything is in it.
Result<UniqueFd> make_tmpfs_file(const std::string& directory) {
  struct statfs file_system {};
  if (::statfs(directory.c_str(), &file_system) != 0 || file_system.f_type != TMPFS_MAGIC) {
    return Error::from_errno(ENOSYS, "make memory for tokens (and '" + directory + "' is no tmpfs)");
  }
  std::string path = directory + "/." + kMemoryName + ".XXXXXX";
  UniqueFd file(::mkostemp(path.data(), O_CLOEXEC));
  if (!file) {
    return Error::from_errno(errno, "make a file for tokens in '" + directory + "'");
  }
  (void)::unlink(path.c_str());
  return file;
}

Result<UniqueFd> make_memory(const std::string& directory) {
  Result<UniqueFd> memory = make_memfd();
  if (!memory) {
    memory = make_tmpfs_file(directory);
  }
  if (memory) {
    (void)::fchmod(memory->get(), 0600);
  }
  return memory;
}

// With a directory of what is kept, and some room to spare for pieces that nothing fits into.
std::uint64_t size_for(std::uint64_t tokens_bytes) {
  constexpr std::uint64_t kPage = 4096;
  return (tokens_bytes + tokens_bytes / 4) / kPage * kPage + 16 * kPage;
}

// A description of its own: flags such as O_APPEND belong to that.
UniqueFd open_again(int file) {
  UniqueFd again(::open(("/proc/self/fd/" + std::to_string(file)).c_str(), O_RDWR | O_CLOEXEC));
  return again ? std::move(again) : UniqueFd(::fcntl(file, F_DUPFD_CLOEXEC, 0));
}

off_t size_of(const UniqueFd& file) {
  struct stat found {};
  return ::fstat(file.get(), &found) == 0 ? found.st_size : 0;
}

void resize(const UniqueFd& memory, off_t size) {
  if (::ftruncate(memory.get(), size) != 0) {
    log::error("cannot resize the memory of tokens: {}", std::strerror(errno));
  }
}

void overwrite(const UniqueFd& memory) {
  const Result<void> wiped = wipe_file(memory.get(), 0, static_cast<std::uint64_t>(size_of(memory)));
  if (!wiped) {
    log::error("cannot {}", wiped.error().message());
  }
}

}  // namespace

// The first memory found is kept; the content of any other is overwritten.
KeptMemory::KeptMemory(ServiceManager& manager, std::vector<UniqueFd>& inherited) : manager_(manager) {
  std::erase_if(inherited, [this](UniqueFd& one) {
    UniqueFd memory = is_memory(one) ? std::move(one) : unwrap(one);
    if (!is_memory(memory)) {
      return false;
    }
    if (memory_) {
      overwrite(memory);
    } else {
      memory_ = std::move(memory);
    }
    return true;
  });
}

Result<UniqueFd> KeptMemory::prepare(std::uint64_t tokens_bytes, const std::string& directory) {
  if (!memory_) {
    Result<UniqueFd> made = make_memory(directory);
    if (!made) {
      return made.error();
    }
    memory_ = std::move(*made);
    const Result<UniqueFd> holder = wrap(memory_.get());
    if (holder) {
      manager_.store_descriptor(kMemoryName, holder->get());
    } else {
      log::warn("tokens do not outlast this process: cannot {}", holder.error().message());
    }
  }
  // It only grows, since what is kept stays; one that is far too large was not made so here.
  constexpr off_t kLargest = 2L * 1024 * 1024 * 1024;
  const auto wanted = static_cast<off_t>(size_for(tokens_bytes));
  const off_t size = size_of(memory_);
  if ((size < wanted || size > kLargest) && ::ftruncate(memory_.get(), wanted) != 0) {
    return Error::from_errno(errno, "make room for tokens");
  }
  UniqueFd for_responder = open_again(memory_.get());
  return for_responder ? Result<UniqueFd>(std::move(for_responder))
                       : Error::from_errno(errno, "open the memory for tokens");
}

void KeptMemory::wipe() {
  if (memory_) {
    const off_t size = size_of(memory_);
    overwrite(memory_);
    resize(memory_, 0);  // gives the pages back
    resize(memory_, size);
  }
}

void KeptMemory::give_up() {
  if (memory_) {
    overwrite(memory_);
    resize(memory_, 0);
    manager_.remove_stored_descriptor(kMemoryName);
    memory_.reset();
  }
}

}  // namespace msi2imds::supervisor
