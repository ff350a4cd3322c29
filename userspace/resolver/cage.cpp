// SPDX-License-Identifier: MIT
#include "resolver/cage.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "confinement/privileges.hpp"
#include "confinement/system_call_filter.hpp"

namespace msi2imds::resolver {
namespace {

using confinement::has_no_bits;
using confinement::has_no_int_bits_but;
using confinement::is_int;

constexpr rlim_t kMostMemory = rlim_t{1} << 30;  // beside what the fork inherits from its parent

// The flags of open(2) that do not write, create or empty what is opened.
constexpr int kToRead = O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_PATH |
                        0100000 /* O_LARGEFILE */;

void allow_reading(confinement::SystemCallFilter& filter) {
  filter.allow_if(SCMP_SYS(openat), {has_no_int_bits_but(2, kToRead)});
  filter.allow_if(SCMP_SYS(open), {has_no_int_bits_but(1, kToRead)});
  // Handles only of cgroups, and only to learn their paths: O_PATH gives no content.
  filter.allow_if(SCMP_SYS(open_by_handle_at),
                  {is_int(0, kReaderCgroupRoot), is_int(2, O_PATH | O_DIRECTORY | O_CLOEXEC)});
  filter.allow({SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(lseek), SCMP_SYS(close),
                SCMP_SYS(getdents64), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(fstat),
                SCMP_SYS(fstatfs), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx)});
  filter.allow_if(SCMP_SYS(fcntl), {is_int(1, F_GETFL)});
  filter.allow_if(SCMP_SYS(fcntl), {is_int(1, F_GETFD)});
  filter.allow_if(SCMP_SYS(fcntl), {is_int(1, F_SETFD), is_int(2, FD_CLOEXEC)});  // fdopendir()
}

// Without an address: to whom the socket is connected.
void allow_talking(confinement::SystemCallFilter& filter) {
  filter.allow_if(SCMP_SYS(recvfrom), {is_int(0, kReaderSocket)});
  filter.allow_if(SCMP_SYS(sendto), {is_int(0, kReaderSocket), {.index = 4, .value = 0}});
}

void allow_running(confinement::SystemCallFilter& filter) {
  filter.allow({SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
                SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(getpid), SCMP_SYS(gettid),
                SCMP_SYS(getrandom), SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),
                SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(exit), SCMP_SYS(exit_group)});
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    filter.allow_if(call, {has_no_bits(2, PROT_EXEC)});
  }
  filter.allow_if(SCMP_SYS(tgkill), {is_int(0, static_cast<std::uint32_t>(::getpid()))});  // abort()
}

void limit_resources() {
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  const rlimit descriptors{.rlim_cur = kReaderDescriptors, .rlim_max = kReaderDescriptors};
  const rlimit memory{.rlim_cur = kMostMemory, .rlim_max = kMostMemory};
  (void)::setrlimit(RLIMIT_CORE, &none);
  (void)::setrlimit(RLIMIT_FSIZE, &none);
  (void)::setrlimit(RLIMIT_NPROC, &none);
  (void)::setrlimit(RLIMIT_NOFILE, &descriptors);
  (void)::setrlimit(RLIMIT_DATA, &memory);
}

}  // namespace

Result<bool> enter_cage() {
  limit_resources();
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const Result<void> forbidden = confinement::forbid_new_privileges();
  if (!forbidden) {
    return forbidden.error();
  }
  confinement::bound_capabilities(0);
  // To look at other users' processes, and at files in directories that are closed to others.
  const Result<void> kept =
      confinement::keep_only_capabilities(confinement::set_of({CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH}));
  if (!kept) {
    return kept.error();
  }
  confinement::SystemCallFilter filter;
  allow_reading(filter);
  allow_talking(filter);
  allow_running(filter);
  return filter.enforce();
}

}  // namespace msi2imds::resolver
