// SPDX-License-Identifier: MIT
#include "responder/cage.hpp"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confinement/landlock.hpp"
#include "confinement/namespaces.hpp"
#include "confinement/privileges.hpp"
#include "confinement/root_directory.hpp"
#include "confinement/system_call_filter.hpp"

namespace msi2imds::responder {
namespace {

using confinement::has_bits;
using confinement::has_no_bits;
using confinement::has_no_int_bits_but;
using confinement::is_int;
using confinement::SystemCallFilter;

constexpr int kOriginalDestination = 80;  // SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST

// No other flag, such as MSG_FASTOPEN, which dials; no address, for the same reason. sendmsg(2) is left out
// altogether: a filter does not see what is in its message, which may be a descriptor.
void allow_bytes_in_and_out(SystemCallFilter& filter) {
  filter.allow({SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(recvfrom),
                SCMP_SYS(recvmsg), SCMP_SYS(close)});
  filter.allow_if(SCMP_SYS(sendto),
                  {has_no_int_bits_but(3, MSG_NOSIGNAL | MSG_DONTWAIT), {.index = 4, .value = 0}});
  filter.allow_if(SCMP_SYS(accept4), {is_int(3, SOCK_NONBLOCK | SOCK_CLOEXEC)});
  // For the memory that tokens outlast us in. Whatever is opened for appending is appended to all the same,
  // and nothing here can change that it is: no F_SETFL, no RWF_NOAPPEND, no truncation, no mapping.
  filter.allow({SCMP_SYS(pread64), SCMP_SYS(pwrite64)});
  filter.allow_if(SCMP_SYS(lseek), {is_int(2, SEEK_DATA)});
}

// A listening socket is shared with the supervisor and with the next responder. Nothing that changes it is
// allowed: what is left concerns a connection, or what a socket says about itself.
void allow_looking_after_sockets(SystemCallFilter& filter) {
  filter.allow({SCMP_SYS(getsockname), SCMP_SYS(getpeername)});
  filter.allow_if(SCMP_SYS(shutdown), {is_int(1, SHUT_WR)});  // a listener ignores that
  filter.allow_if(SCMP_SYS(setsockopt), {is_int(1, SOL_SOCKET), is_int(2, SO_LINGER)});
  filter.allow_if(SCMP_SYS(setsockopt), {is_int(1, IPPROTO_TCP), is_int(2, TCP_NODELAY)});
  for (const int name : {SO_ERROR, SO_TYPE}) {
    filter.allow_if(SCMP_SYS(getsockopt), {is_int(1, SOL_SOCKET), is_int(2, static_cast<unsigned>(name))});
  }
  for (const int name : {TCP_INFO, TCP_SAVED_SYN}) {
    filter.allow_if(SCMP_SYS(getsockopt), {is_int(1, IPPROTO_TCP), is_int(2, static_cast<unsigned>(name))});
  }
  for (const int level : {IPPROTO_IP, IPPROTO_IPV6}) {
    filter.allow_if(SCMP_SYS(getsockopt),
                    {is_int(1, static_cast<unsigned>(level)), is_int(2, kOriginalDestination)});
  }
  for (const int request : {FIONBIO, SIOCOUTQ, TCGETS /* isatty() of the log */}) {
    filter.allow_if(SCMP_SYS(ioctl), {is_int(1, static_cast<unsigned>(request))});
  }
  filter.allow_if(SCMP_SYS(fcntl), {is_int(1, F_GETFL)});
  // fstat(2) by another name; a path would lead nowhere, but has no business here either.
  filter.allow({SCMP_SYS(fstat)});
  filter.allow_if(SCMP_SYS(newfstatat), {is_int(3, AT_EMPTY_PATH)});
}

void allow_waiting(SystemCallFilter& filter) {
  filter.allow({SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(poll),
                SCMP_SYS(ppoll), SCMP_SYS(timerfd_settime), SCMP_SYS(futex), SCMP_SYS(restart_syscall)});
  filter.allow({SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
                SCMP_SYS(getpid), SCMP_SYS(gettid)});
}

// No memory that can be executed, and files only for reading: the memory of the tokens has to be mapped to be
// locked.
void allow_memory(SystemCallFilter& filter) {
  filter.allow_if(SCMP_SYS(mmap), {has_no_bits(2, PROT_EXEC), has_bits(3, MAP_ANONYMOUS)});
  filter.allow_if(SCMP_SYS(mmap), {{.index = 2, .value = PROT_READ}});
  filter.allow_if(SCMP_SYS(mprotect), {has_no_bits(2, PROT_EXEC)});
  filter.allow({SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(mlock),
                SCMP_SYS(munlock)});
}

// abort() and what it may print; getrlimit() is prlimit64 without a new limit.
void allow_the_end(SystemCallFilter& filter) {
  filter.allow({SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(exit),
                SCMP_SYS(exit_group)});
  filter.allow_if(SCMP_SYS(tgkill), {is_int(0, static_cast<unsigned>(::getpid()))});
  filter.allow_if(SCMP_SYS(prlimit64), {{.index = 2, .value = 0}});
}

Result<bool> filter_system_calls() {
  SystemCallFilter filter;
  allow_bytes_in_and_out(filter);
  allow_looking_after_sockets(filter);
  allow_waiting(filter);
  allow_memory(filter);
  allow_the_end(filter);
  return filter.enforce();
}

Result<void> become(Destiny destiny, Cage& cage) {
  cage.own_namespaces = confinement::take_own_namespaces();
  const Result<bool> used = confinement::use_as_root(destiny.root);
  if (!used) {
    return used.error();
  }
  cage.has_empty_root = *used;
  destiny.root.reset();
  confinement::bound_capabilities(0);
  return confinement::become_user(destiny.uid, destiny.gid);
}

}  // namespace

Result<Cage> enter_cage(std::optional<Destiny> destiny) {
  Cage cage;
  const Result<void> became = destiny ? become(std::move(*destiny), cage) : Result<void>();
  if (!became) {
    return became.error();
  }
  // No process of the same user may read this one's memory, and no core dump holds a token. Changing the user
  // would have undone it.
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const Result<void> forbidden = confinement::forbid_new_privileges();
  if (!forbidden) {
    return forbidden.error();
  }
  const Result<int> landlock = confinement::allow_no_paths_but({});
  if (!landlock) {
    return landlock.error();
  }
  cage.landlock = *landlock;
  const Result<bool> filtered = filter_system_calls();
  if (!filtered) {
    return filtered.error();
  }
  cage.has_call_filter = *filtered;
  return cage;
}

}  // namespace msi2imds::responder
