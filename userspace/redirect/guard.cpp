// SPDX-License-Identifier: MIT
#include "redirect/guard.hpp"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "base/descriptors.hpp"
#include "base/signals.hpp"

namespace msi2imds::redirect {
namespace {

constexpr char kReady = 'r';

constexpr std::chrono::minutes kLongestTry{10};
constexpr std::chrono::milliseconds kFirstPause{200};
constexpr std::chrono::milliseconds kLongestPause{5000};

// A peer that has exited need not be told.
void tell(int end, char word) {
  while (::send(end, &word, 1, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

// The first step of every process that cleans up after another one.
void stand_alone(std::vector<int> descriptors) {
  ignore_signals();
  (void)::setsid();
  (void)::prctl(PR_SET_NAME, "msi2imds-guard", 0, 0, 0);
  close_all_but(std::move(descriptors));
}

// Reads a byte, or waits until nobody is left at the other end.
void hear(int end) {
  char word = 0;
  while (::read(end, &word, 1) < 0 && errno == EINTR) {
  }
}

// noexcept, so that an exception ends this process instead of unwinding into the code that forked it.
[[noreturn]] void keep_watch(int alarm, const Guard::Undo& undo, std::vector<int> descriptors) noexcept {
  descriptors.push_back(alarm);
  stand_alone(std::move(descriptors));
  tell(alarm, kReady);
  hear(alarm);
  const auto end = std::chrono::steady_clock::now() + kLongestTry;
  auto pause = kFirstPause;
  while (!undo() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
  ::_exit(0);
}

[[noreturn]] void do_and_end(const std::function<void()>& task) noexcept {
  task();
  ::_exit(0);
}

}  // namespace

Guard::Guard(pid_t pid, UniqueFd alarm) : pid_(pid), alarm_(std::move(alarm)) {}

Guard::Guard(Guard&& other) noexcept : pid_(std::exchange(other.pid_, -1)), alarm_(std::move(other.alarm_)) {}

Result<Guard> Guard::start(const Undo& undo, const std::vector<int>& descriptors) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error::from_errno(errno, "make a socketpair for the guard");
  }
  UniqueFd theirs(ends[0]);
  UniqueFd ours(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) {
    return Error::from_errno(errno, "fork the guard");
  }
  if (pid == 0) {
    ours.reset();
    keep_watch(theirs.get(), undo, descriptors);
  }
  theirs.reset();
  hear(ours.get());  // until the child has closed its copies of our sockets
  return Guard(pid, std::move(ours));
}

// Closing our end tells the child.
Guard::~Guard() = default;

void Guard::take_over() {
  alarm_.reset();
}

void Guard::dismiss() {
  if (pid_ < 0) {
    return;
  }
  (void)::kill(pid_, SIGKILL);  // a tool that it runs goes with it
  alarm_.reset();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

Result<void> run_detached(const std::function<void()>& task) {
  const pid_t pid = ::fork();
  if (pid < 0) {
    return Error::from_errno(errno, "fork");
  }
  if (pid == 0) {
    stand_alone({});  // when it has ended, none of our sockets is held open
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      do_and_end(task);
    }
    ::_exit(grandchild < 0 ? errno : 0);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Error::from_errno(WIFEXITED(status) ? WEXITSTATUS(status) : EINTR, "fork twice");
  }
  return {};
}

}  // namespace msi2imds::redirect
