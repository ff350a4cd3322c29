// SPDX-License-Identifier: MIT
#include "base/task.hpp"

#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <stdexcept>
#include <string>

namespace msi2imds {
namespace {

class TaskTest : public testing::Test {
 protected:
  Task<int> add(int one, int other) {
    ++steps_;
    co_return one + other;
  }
  Task<int> add_in_a_while(int one, int other) {
    co_await AsioWait(io_, wait());
    const int sum = co_await add(one, other);
    co_return sum;
  }
  Task<> keep(Task<int> task, int& result) {
    try {
      result = co_await std::move(task);
    } catch (const std::runtime_error&) {
      result = -1;
    }
  }
  Task<int> fail(bool waits) {
    if (waits) {
      co_await Turn(io_);
    }
    throw std::runtime_error("as it has to");
  }
  asio::awaitable<void> wait() {
    (void)co_await timer_.async_wait(kAsTuple);
  }

  asio::io_context io_{1};
  asio::steady_timer timer_{io_, std::chrono::seconds(0)};
  int steps_ = 0;
};

TEST_F(TaskTest, IsOverAtOnceWhereNothingIsMissing) {
  int result = 0;
  keep(add(1, 2), result).detach();
  EXPECT_EQ(result, 3);
}

TEST_F(TaskTest, GoesOnWithAllWhoWaitForIt) {
  int result = 0;
  keep(add_in_a_while(1, 2), result).detach();
  EXPECT_EQ(result, 0);
  EXPECT_EQ(steps_, 0);
  io_.run();
  EXPECT_EQ(result, 3);
}

TEST_F(TaskTest, PassesExceptionsOn) {
  for (const bool waits : {false, true}) {
    int result = 0;
    keep(fail(waits), result).detach();
    io_.restart();
    io_.run();
    EXPECT_EQ(result, -1);
  }
}

// A frame may hold a part of a token.
TEST_F(TaskTest, FramesAreUsedAgainAndWipedBefore) {
  constexpr std::size_t kBytes = 500;
  void* const first = TaskFrame::operator new(kBytes);
  std::memset(first, 'x', kBytes);
  TaskFrame::operator delete(first, kBytes);
  void* const second = TaskFrame::operator new(kBytes);
  EXPECT_EQ(second, first);
  const std::string_view text(static_cast<const char*>(second), kBytes);
  EXPECT_EQ(text.find('x'), std::string_view::npos);
  TaskFrame::operator delete(second, kBytes);
}

}  // namespace
}  // namespace msi2imds
