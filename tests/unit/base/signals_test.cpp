// SPDX-License-Identifier: MIT
#include "base/signals.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace msi2imds {
namespace {

// How a child process ends that ignores signals and then does something.
template <typename Act>
int status_of_child(const Act& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    ignore_signals();
    act();
    ::_exit(0);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(IgnoreSignalsTest, OutlivesAllThatCanBeIgnored) {
  const int status = status_of_child([] {
    for (int signal = 1; signal < NSIG; ++signal) {
      const bool is_the_c_librarys = signal > SIGSYS && signal < SIGRTMIN;
      if (signal != SIGKILL && signal != SIGSTOP && !is_the_c_librarys) {
        (void)::kill(::getpid(), signal);
      }
    }
  });
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
}

TEST(IgnoreSignalsTest, UnblocksWhatWasBlocked) {
  sigset_t all;
  sigset_t before;
  (void)::sigfillset(&all);
  (void)::sigprocmask(SIG_SETMASK, &all, &before);
  const int status = status_of_child([] {
    sigset_t blocked;
    (void)::sigprocmask(SIG_SETMASK, nullptr, &blocked);
    ::_exit(::sigismember(&blocked, SIGTERM));
  });
  (void)::sigprocmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(status, 0);
}

TEST(IgnoreSignalsTest, StillEndsByItsOwnFaults) {
  const int aborted = status_of_child([] { std::abort(); });
  EXPECT_TRUE(WIFSIGNALED(aborted));
  EXPECT_EQ(WTERMSIG(aborted), SIGABRT);
}

TEST(IgnoreSignalsTest, StillLearnsHowChildrenEnded) {
  const int status = status_of_child([] {
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      ::_exit(7);
    }
    int ended = 0;
    ::_exit(::waitpid(grandchild, &ended, 0) == grandchild && WEXITSTATUS(ended) == 7 ? 0 : 1);
  });
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace msi2imds
