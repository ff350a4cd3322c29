// SPDX-License-Identifier: MIT
#include "redirect/guard.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <csignal>
#include <exception>
#include <new>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/run_to_end.hpp"

namespace msi2imds::redirect {
namespace {

constexpr std::chrono::seconds kGuardTestPatience{10};

// What children tell.
struct Told {
  std::atomic<int> attempts = 0;
  std::atomic<bool> can_be_undone = true;
  std::atomic<int> parent = 0;
};

class GuardTest : public testing::Test {
 protected:
  GuardTest()
      : told_(new (::mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
                  Told) {}
  ~GuardTest() override {
    (void)::munmap(told_, sizeof(Told));
  }

  Result<Guard> start() {
    Told* told = told_;
    return run_to_end(Guard::start(
        [told] {
          ++told->attempts;
          return told->can_be_undone.load();
        },
        {}));
  }

  template <typename Condition>
  static bool becomes_true(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kGuardTestPatience;
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    return condition();
  }

  // Children that have ended are counted, too, as long as nobody has collected them.
  static bool has_children() {
    siginfo_t found{};
    return ::waitid(P_ALL, 0, &found, WEXITED | WNOHANG | WNOWAIT) == 0;
  }

  Told* told_;
};

TEST_F(GuardTest, ActsOnceItIsDestroyedAndLeavesNoZombie) {
  {
    const auto guard = start();
    ASSERT_TRUE(guard) << guard.error().message();
    EXPECT_EQ(told_->attempts, 0);
  }
  EXPECT_TRUE(becomes_true([this] { return told_->attempts == 1; }));
  EXPECT_TRUE(has_children());
  EXPECT_TRUE(becomes_true([] {
    collect_ended_guards();
    return !has_children();
  }));
}

TEST_F(GuardTest, ThatIsDismissedDoesNothing) {
  auto guard = start();
  ASSERT_TRUE(guard);
  guard->dismiss();
  EXPECT_FALSE(has_children());
  EXPECT_EQ(told_->attempts, 0);
}

// Its own process starts the guard, and is killed.
class KilledGuardTest : public GuardTest {
 protected:
  void start_and_be_killed(IfKilled if_killed) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Told* told = told_;
      Guard::Undo undo = [told] {
        ++told->attempts;
        return true;
      };
      const auto guard = run_to_end(Guard::start(std::move(undo), {}, Guard::kPatience, if_killed));
      (void)::kill(::getpid(), guard ? SIGKILL : SIGTERM);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(WTERMSIG(status), SIGKILL) << "the guard was at its post";
  }
};

TEST_F(KilledGuardTest, ActsWhereNobodyComesAfterUs) {
  start_and_be_killed(IfKilled::undo);
  EXPECT_TRUE(becomes_true([this] { return told_->attempts == 1; }));
}

// As child of ours, since it would be an orphan: its end tells that it has decided.
TEST_F(KilledGuardTest, LeavesAllToWhoeverComesAfterUs) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
  start_and_be_killed(IfKilled::leave);
  int status = -1;
  while (::wait(&status) < 0 && errno == EINTR) {
  }
  (void)::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(told_->attempts, 0);
}

TEST_F(GuardTest, ActsWhenItIsDestroyedWhateverIsToBeDoneIfKilled) {
  Told* told = told_;
  {
    Guard::Undo undo = [told] {
      ++told->attempts;
      return true;
    };
    const auto guard = run_to_end(Guard::start(std::move(undo), {}, Guard::kPatience, IfKilled::leave));
    ASSERT_TRUE(guard);
  }
  EXPECT_TRUE(becomes_true([told] { return told->attempts == 1; }));
  EXPECT_TRUE(becomes_true([] {
    collect_ended_guards();
    return !has_children();
  }));
}

TEST_F(GuardTest, TellsOnceItHasUndoneEverything) {
  auto guard = start();
  ASSERT_TRUE(guard);
  told_->can_be_undone = false;
  guard->take_over();
  EXPECT_TRUE(becomes_true([this] { return told_->attempts > 0; }));
  EXPECT_EQ(guard->outcome(), std::nullopt);
  told_->can_be_undone = true;
  std::optional<bool> outcome;
  EXPECT_TRUE(becomes_true([&] {
    outcome = outcome ? outcome : guard->outcome();
    return outcome.has_value();
  }));
  EXPECT_EQ(outcome, true);
  EXPECT_FALSE(has_children());
}

std::atomic<bool> children_stand_still = false;

void stand_still() {
  while (children_stand_still) {
    (void)::pause();
  }
}

// Neither the guard nor the event loop waits for a child that does not come up.
TEST_F(GuardTest, WhoseChildStandsStillIsGivenUpAndTheLoopGoesOn) {
  static const int registered = ::pthread_atfork(nullptr, nullptr, stand_still);
  ASSERT_EQ(registered, 0);
  children_stand_still = true;
  asio::io_context io(1);
  bool has_run = false;
  const auto start_one = [&]() -> asio::awaitable<void> {
    Guard::Undo undo = [] { return true; };
    const std::vector<int> none;
    const auto guard = co_await Guard::start(std::move(undo), none, std::chrono::milliseconds(20));
    EXPECT_FALSE(guard);
    EXPECT_TRUE(has_run);
  };
  asio::co_spawn(io, start_one(), [](const std::exception_ptr& exception) { EXPECT_FALSE(exception); });
  asio::post(io, [&has_run] { has_run = true; });
  io.run();
  children_stand_still = false;
  EXPECT_FALSE(has_children());
}

TEST_F(GuardTest, ADetachedTaskIsDoneByNoChildOfOurs) {
  Told* told = told_;
  const auto detached = run_to_end(run_detached([told] { told->parent = ::getppid(); }));
  ASSERT_TRUE(detached) << detached.error().message();
  EXPECT_FALSE(has_children());
  EXPECT_TRUE(becomes_true([this] { return told_->parent != 0; }));
  EXPECT_NE(told_->parent, ::getpid());
}

}  // namespace
}  // namespace msi2imds::redirect
