// SPDX-License-Identifier: MIT
#include "base/async_mutex.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <vector>

namespace msi2imds {
namespace {

asio::awaitable<void> hold(AsyncMutex& mutex, int number, std::vector<int>& order) {
  const AsyncMutex::Lock lock = co_await mutex.lock();
  order.push_back(number);
  for (int step = 0; step < 3; ++step) {
    co_await asio::post(asio::use_awaitable);
  }
  order.push_back(number);
}

TEST(AsyncMutexTest, LetsOneAtATimeInTheOrderOfTheCalls) {
  asio::io_context io;
  AsyncMutex mutex(io);
  std::vector<int> order;
  for (int number = 1; number <= 3; ++number) {
    asio::co_spawn(io, hold(mutex, number, order), asio::detached);
  }
  io.run();
  EXPECT_EQ(order, (std::vector<int>{1, 1, 2, 2, 3, 3}));
  EXPECT_FALSE(mutex.is_locked());
}

TEST(AsyncMutexTest, IsFreeAfterAnException) {
  asio::io_context io;
  AsyncMutex mutex(io);
  const auto fail = [&mutex]() -> asio::awaitable<void> {
    const AsyncMutex::Lock lock = co_await mutex.lock();
    throw std::bad_alloc();
  };
  asio::co_spawn(io, fail(), asio::detached);
  io.run();
  EXPECT_FALSE(mutex.is_locked());
}

}  // namespace
}  // namespace msi2imds
