// SPDX-License-Identifier: MIT
#include "base/spawn.hpp"

#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>

#include "base/log.hpp"

namespace msi2imds {
namespace {

class SpawnTest : public testing::Test {
 protected:
  SpawnTest() {
    log::start({}, "test");
  }

  static asio::awaitable<void> end_at_once() {
    co_return;
  }
  asio::awaitable<void> wait() {
    (void)co_await timer_.async_wait(kAsTuple);
  }
  asio::awaitable<void> run_out_of_memory() {
    co_await wait();
    throw std::bad_alloc();
  }
  Task<> fail_later() {
    co_await AsioWait(io_, run_out_of_memory());
  }
  // What leaves io.run(); empty: it returns.
  std::string run() {
    try {
      io_.run();
      return "";
    } catch (const std::exception& error) {
      return error.what();
    }
  }
  std::string run_and_read_the_log() {
    testing::internal::CaptureStderr();
    is_well_ = run_event_loop(io_);
    return testing::internal::GetCapturedStderr();
  }

  asio::io_context io_{1};
  asio::steady_timer timer_{io_, std::chrono::seconds(0)};
  bool is_well_ = false;
};

TEST_F(SpawnTest, LetsACoroutineEnd) {
  spawn(io_, "the work", end_at_once());
  EXPECT_EQ(run(), "");
}

TEST_F(SpawnTest, LetsAnExceptionLeaveTheLoopWithTheNameOfItsCoroutine) {
  spawn(io_, "the work", run_out_of_memory());
  EXPECT_EQ(run(), "the work: std::bad_alloc");
}

TEST_F(SpawnTest, TellsOfExceptionsOfAnyType) {
  const auto throw_number = []() -> asio::awaitable<void> {
    co_await asio::this_coro::executor;
    throw 1;
  };
  spawn(io_, "the work", throw_number());
  EXPECT_EQ(run(), "the work: an exception of unknown type");
}

TEST_F(SpawnTest, ContainsWhatConcernsNobodyElse) {
  int ended = 0;
  const auto count = [&ended] { ++ended; };
  start_contained(
      "serve a connection", [this] { return fail_later(); }, count);
  start_contained(
      "serve a connection", []() -> Task<> { co_return; }, count);
  const std::string text = run_and_read_the_log();
  EXPECT_TRUE(is_well_);
  EXPECT_EQ(ended, 2);
  EXPECT_NE(text.find("error test"), std::string::npos) << text;
  EXPECT_NE(text.find("serve a connection: std::bad_alloc"), std::string::npos) << text;
}

TEST_F(SpawnTest, ContainsWhatCannotEvenBegin) {
  int ended = 0;
  const auto fail = []() -> Task<> { throw std::bad_alloc(); };
  testing::internal::CaptureStderr();
  start_contained("serve a connection", fail, [&ended] { ++ended; });
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(ended, 1);
  EXPECT_NE(text.find("serve a connection: std::bad_alloc"), std::string::npos) << text;
  EXPECT_EQ(run(), "");
}

// Of each connection: a copy allocates.
TEST_F(SpawnTest, WhatIsToBeDoneAtTheEndIsCopiedOnce) {
  struct Last {
    explicit Last(int& count) : copies(&count) {}
    Last(const Last& other) : copies(other.copies) {
      ++*copies;
    }
    Last(Last&&) = default;
    Last& operator=(const Last&) = delete;
    Last& operator=(Last&&) = delete;
    ~Last() = default;
    void operator()() const {}
    int* copies;
  };
  int copies = 0;
  const std::function<void()> last{Last(copies)};
  copies = 0;
  start_contained(
      "serve a connection", []() -> Task<> { co_return; }, last);
  EXPECT_EQ(copies, 1);
}

TEST_F(SpawnTest, ADutyMustNotEndByItself) {
  Duty duty;
  duty.start(io_, "the watch", wait());
  EXPECT_EQ(run(), "the watch: has ended though nobody stopped it");
}

TEST_F(SpawnTest, ADutyMayEndOnceItIsStopped) {
  timer_.expires_at(asio::steady_timer::time_point::max());
  Duty duty;
  duty.start(io_, "the watch", wait());
  io_.poll();
  duty.stop();
  timer_.cancel();
  EXPECT_EQ(run(), "");
}

TEST_F(SpawnTest, ADutyMayEndOnceItsOwnerIsGone) {
  {
    Duty duty;
    duty.start(io_, "the watch", wait());
  }
  EXPECT_EQ(run(), "");
}

TEST_F(SpawnTest, ADutyThatIsStartedAnewHasToGoOn) {
  Duty duty;
  duty.start(io_, "the first", end_at_once());
  duty.start(io_, "the second", wait());
  EXPECT_EQ(run(), "the second: has ended though nobody stopped it");
}

TEST_F(SpawnTest, AnExceptionIsNoEndThatAStopAllows) {
  Duty duty;
  duty.start(io_, "the watch", run_out_of_memory());
  duty.stop();
  EXPECT_EQ(run(), "the watch: std::bad_alloc");
}

TEST_F(SpawnTest, TheLogSaysWhatEndedTheLoop) {
  spawn(io_, "the work", run_out_of_memory());
  const std::string text = run_and_read_the_log();
  EXPECT_FALSE(is_well_);
  EXPECT_NE(text.find("error test"), std::string::npos) << text;
  EXPECT_NE(text.find("cannot go on: the work: std::bad_alloc\n"), std::string::npos) << text;
}

TEST_F(SpawnTest, ALoopThatHasNothingMoreToDoEndsWell) {
  spawn(io_, "the work", end_at_once());
  EXPECT_EQ(run_and_read_the_log(), "");
  EXPECT_TRUE(is_well_);
}

// What a coroutine holds is released when its loop goes, also after an exception of another.
TEST_F(SpawnTest, WhatOthersHoldIsReleased) {
  const auto held = std::make_shared<int>(1);
  {
    asio::io_context io(1);
    asio::steady_timer never(io, asio::steady_timer::time_point::max());
    const auto hold = [&never](std::shared_ptr<int> /*held*/) -> asio::awaitable<void> {
      (void)co_await never.async_wait(kAsTuple);
    };
    const auto fail = []() -> asio::awaitable<void> {
      co_await asio::this_coro::executor;
      throw std::runtime_error("a bug");
    };
    spawn(io, "the holder", hold(held));
    spawn(io, "the other", fail());
    EXPECT_FALSE(run_event_loop(io));
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace msi2imds
