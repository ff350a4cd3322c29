// SPDX-License-Identifier: MIT
#include "base/child.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

namespace msi2imds {
namespace {

using std::chrono::milliseconds;

// The child is polled, since kernels before 5.3 have no pidfd to wait for: at short intervals first, as most
// children that are waited for end at once.
constexpr milliseconds kFirstPause{1};
constexpr milliseconds kLongestPause{20};
constexpr int kUnknownEnd = 255 << 8;  // as exit status 255

}  // namespace

asio::awaitable<std::optional<int>> wait_for_child(pid_t pid, milliseconds patience) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  milliseconds pause = kFirstPause;
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) {
      co_return status;
    }
    if (ended < 0) {
      co_return kUnknownEnd;  // nobody can tell any more
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      co_return std::nullopt;
    }
    timer.expires_after(pause);
    (void)co_await timer.async_wait(kAsTuple);
    pause = std::min(pause * 2, kLongestPause);
  }
}

std::string describe_end(int status) {
  return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                             : "exit status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace msi2imds
