// SPDX-License-Identifier: MIT
#include "responder/sandbox.hpp"

#include <seccomp.h>
#include <sys/mman.h>

#include <cerrno>
#include <memory>

namespace msi2imds::responder {
namespace {

// By what they are for; names that the C library knows and this kernel does not are harmless.
constexpr int kAllowed[] = {
    // bytes in and out, over descriptors that the supervisor gave us
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
    SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(accept4), SCMP_SYS(shutdown), SCMP_SYS(close),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(fcntl),
    SCMP_SYS(ioctl), SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    // waiting
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(poll), SCMP_SYS(ppoll),
    SCMP_SYS(timerfd_settime), SCMP_SYS(futex), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(restart_syscall), SCMP_SYS(sched_yield),
    // time and identity
    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getpid), SCMP_SYS(gettid),
    SCMP_SYS(getrandom),
    // memory
    SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(mlock), SCMP_SYS(munlock),
    // signals and the end
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(tgkill),
    SCMP_SYS(exit), SCMP_SYS(exit_group)};

struct FilterDeleter {
  void operator()(void* filter) const noexcept {
    seccomp_release(filter);
  }
};

// `prot` is the third argument of both: anything but code.
int allow_mapping_without_code(scmp_filter_ctx filter, int system_call) {
  const scmp_arg_cmp no_code{.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC, .datum_b = 0};
  return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, system_call, 1, &no_code);
}

// getrlimit() is prlimit64 without a new limit.
int allow_reading_limits(scmp_filter_ctx filter) {
  const scmp_arg_cmp no_new_limit{.arg = 2, .op = SCMP_CMP_EQ, .datum_a = 0, .datum_b = 0};
  return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, &no_new_limit);
}

}  // namespace

Result<void> enter_sandbox() {
  const std::unique_ptr<void, FilterDeleter> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) {
    return Error::from_errno(ENOMEM, "make the system call filter");
  }
  int err = 0;
  for (const int system_call : kAllowed) {
    if (err == 0) {
      err = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, system_call, 0);
    }
  }
  for (const int system_call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    if (err == 0) {
      err = allow_mapping_without_code(filter.get(), system_call);
    }
  }
  if (err == 0) {
    err = allow_reading_limits(filter.get());
  }
  if (err == 0) {
    err = seccomp_load(filter.get());
  }
  if (err != 0) {
    return Error::from_errno(-err, "load the system call filter");
  }
  return {};
}

}  // namespace msi2imds::responder
