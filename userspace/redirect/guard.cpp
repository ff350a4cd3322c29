// SPDX-License-Identifier: MIT
#include "redirect/guard.hpp"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "base/child.hpp"
#include "base/descriptors.hpp"
#include "base/signals.hpp"

namespace msi2imds::redirect {
namespace {

constexpr char kReady = 'r';
constexpr char kAct = 'a';

constexpr std::chrono::minutes kLongestTry{10};
constexpr std::chrono::milliseconds kFirstPause{200};
constexpr std::chrono::milliseconds kLongestPause{5000};
constexpr std::chrono::milliseconds kLookAgain{1};

// Of guards that are no more.
std::vector<pid_t>& children_at_work() {
  static std::vector<pid_t> children;
  return children;
}

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

// Waits for a byte. False: nobody is left at the other end.
bool hear(int end) {
  char word = 0;
  ssize_t size = 0;
  do {
    size = ::read(end, &word, 1);
  } while (size < 0 && errno == EINTR);
  return size == 1;
}

// Whether the byte comes in time.
asio::awaitable<bool> hear_within(int end, std::chrono::milliseconds patience) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    char word = 0;
    const ssize_t size = ::recv(end, &word, 1, MSG_DONTWAIT);
    const bool may_come = size < 0 && (errno == EAGAIN || errno == EINTR);
    if (!may_come || std::chrono::steady_clock::now() >= deadline) {
      co_return size == 1;
    }
    timer.expires_after(kLookAgain);
    (void)co_await timer.async_wait(kAsTuple);
  }
}

// noexcept, so that an exception ends this process instead of unwinding into the code that forked it.
[[noreturn]] void keep_watch(int alarm, const Guard::Undo& undo, std::vector<int> descriptors,
                             IfKilled if_killed) noexcept {
  descriptors.push_back(alarm);
  stand_alone(std::move(descriptors));
  tell(alarm, kReady);
  const bool is_told = hear(alarm);
  if (!is_told && if_killed == IfKilled::leave) {
    ::_exit(0);
  }
  const auto end = std::chrono::steady_clock::now() + kLongestTry;
  auto pause = kFirstPause;
  bool undone = undo();
  while (!undone && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kLongestPause);
    undone = undo();
  }
  ::_exit(undone ? 0 : 1);
}

[[noreturn]] void do_and_end(const std::function<void()>& task) noexcept {
  task();
  ::_exit(0);
}

}  // namespace

Guard::Guard(pid_t pid, UniqueFd alarm) : pid_(pid), alarm_(std::move(alarm)) {
  (void)children_at_work();  // has to outlast a guard that lives until the process ends
}

Guard::Guard(Guard&& other) noexcept : pid_(std::exchange(other.pid_, -1)), alarm_(std::move(other.alarm_)) {}

asio::awaitable<Result<Guard>> Guard::start(Undo undo, std::vector<int> descriptors,
                                            std::chrono::milliseconds patience, IfKilled if_killed) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    co_return Error::from_errno(errno, "make a socketpair for the guard");
  }
  UniqueFd theirs(ends[0]);
  UniqueFd ours(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) {
    co_return Error::from_errno(errno, "fork the guard");
  }
  if (pid == 0) {
    ours.reset();
    keep_watch(theirs.get(), undo, std::move(descriptors), if_killed);
  }
  theirs.reset();
  Guard guard(pid, std::move(ours));
  // Until the child has closed its copies of our sockets.
  const bool is_ready = co_await hear_within(guard.alarm_.get(), patience);
  if (!is_ready) {
    guard.dismiss();
    co_return Error::from_errno(ETIMEDOUT, "start the guard");
  }
  co_return guard;
}

Guard::~Guard() {
  if (pid_ > 0) {
    take_over();
    children_at_work().push_back(pid_);
  }
}

void Guard::take_over() {
  if (alarm_) {
    tell(alarm_.get(), kAct);
    alarm_.reset();
  }
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

std::optional<bool> Guard::outcome() {
  int status = 0;
  if (pid_ < 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) {
    return std::nullopt;
  }
  pid_ = -1;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void collect_ended_guards() {
  std::erase_if(children_at_work(), [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

asio::awaitable<Result<void>> run_detached(std::function<void()> task) {
  const pid_t pid = ::fork();
  if (pid < 0) {
    co_return Error::from_errno(errno, "fork");
  }
  if (pid == 0) {
    stand_alone({});  // when it has ended, none of our sockets is held open
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      do_and_end(task);
    }
    ::_exit(grandchild < 0 ? errno : 0);
  }
  const std::optional<int> status = co_await wait_for_child(pid, Guard::kPatience);
  if (!status) {
    (void)::kill(pid, SIGKILL);  // it may have done its part
    children_at_work().push_back(pid);
    co_return Error::from_errno(ETIMEDOUT, "fork twice");
  }
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0) {
    co_return Error::from_errno(WIFEXITED(*status) ? WEXITSTATUS(*status) : EINTR, "fork twice");
  }
  co_return Result<void>();
}

}  // namespace msi2imds::redirect
