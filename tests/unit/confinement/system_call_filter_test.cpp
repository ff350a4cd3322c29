// SPDX-License-Identifier: MIT
#include "confinement/system_call_filter.hpp"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "confinement/privileges.hpp"

namespace msi2imds::confinement {
namespace {

constexpr std::uint64_t kJunk = std::uint64_t{0xbad} << 32;  // above what the kernel looks at

// A filter stays for good, so that each case has a process of its own, whose exit status is an errno.
[[noreturn]] void confine_and_call(void (*allow)(SystemCallFilter&), long (*call)()) {
  SystemCallFilter filter;
  filter.allow({SCMP_SYS(exit_group), SCMP_SYS(write)});
  allow(filter);
  const Result<void> forbidden = forbid_new_privileges();
  const Result<bool> enforced = filter.enforce();
  if (!forbidden || !enforced || !*enforced) {
    std::_Exit(99);
  }
  std::_Exit(call() < 0 ? errno : 0);
}

void allow_nothing(SystemCallFilter& /*filter*/) {}

void allow_some_fcntl(SystemCallFilter& filter) {
  filter.allow_if(SCMP_SYS(fcntl), {is_int(1, F_GETFD)});
  filter.allow_if(SCMP_SYS(fcntl), {is_int(1, F_SETFD), has_no_int_bits_but(2, FD_CLOEXEC)});
}

void allow_anonymous_data(SystemCallFilter& filter) {
  filter.allow_if(SCMP_SYS(mmap), {has_no_bits(2, PROT_EXEC), has_bits(3, MAP_ANONYMOUS)});
}

long map(std::uint64_t protection, std::uint64_t flags) {
  const long mapped = ::syscall(SYS_mmap, nullptr, 4096, protection, flags, -1, 0);
  return mapped == -1 ? -1 : 0;
}

#define EXPECT_ERRNO(allow, call, err) \
  EXPECT_EXIT(confine_and_call(allow, []() -> long { return call; }), testing::ExitedWithCode(err), "")

TEST(SystemCallFilterDeathTest, RefusesWhatIsNotAllowed) {
  EXPECT_ERRNO(allow_nothing, ::syscall(SYS_getppid), EPERM);
  EXPECT_ERRNO([](SystemCallFilter& filter) { filter.allow({SCMP_SYS(getppid)}); }, ::syscall(SYS_getppid),
               0);
}

TEST(SystemCallFilterDeathTest, AllowsByAnyOfTheLists) {
  EXPECT_ERRNO(allow_some_fcntl, ::syscall(SYS_fcntl, 0, F_GETFD), 0);
  EXPECT_ERRNO(allow_some_fcntl, ::syscall(SYS_fcntl, 0, F_SETFD, FD_CLOEXEC), 0);
  EXPECT_ERRNO(allow_some_fcntl, ::syscall(SYS_fcntl, 0, F_SETFD, FD_CLOEXEC | 2), EPERM);
  EXPECT_ERRNO(allow_some_fcntl, ::syscall(SYS_fcntl, 0, F_GETFL), EPERM);
}

TEST(SystemCallFilterDeathTest, SeesOfAnIntWhatTheKernelSees) {
  EXPECT_ERRNO(allow_some_fcntl, ::syscall(SYS_fcntl, 0, kJunk | F_GETFD), 0);
  EXPECT_ERRNO(allow_some_fcntl, ::syscall(SYS_fcntl, 0, kJunk | F_GETFL), EPERM);
  EXPECT_ERRNO(allow_some_fcntl, ::syscall(SYS_fcntl, 0, F_SETFD, kJunk | 2), EPERM);
}

TEST(SystemCallFilterDeathTest, DemandsAndForbidsBits) {
  EXPECT_ERRNO(allow_anonymous_data, map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS), 0);
  EXPECT_ERRNO(allow_anonymous_data, map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS), EPERM);
  EXPECT_ERRNO(allow_anonymous_data, map(PROT_READ, MAP_PRIVATE), EPERM);
}

TEST(SystemCallFilterDeathTest, FailsRatherThanEnforceWhatItCouldNotMake) {
  const auto allow_nonsense = [] {
    SystemCallFilter filter;
    filter.allow_if(SCMP_SYS(fcntl), {is_int(99, 0)});
    const Result<bool> enforced = filter.enforce();
    std::_Exit(enforced ? 1 : 0);
  };
  EXPECT_EXIT(allow_nonsense(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace msi2imds::confinement
