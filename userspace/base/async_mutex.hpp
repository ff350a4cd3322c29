// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <utility>

#include "base/asio.hpp"

namespace msi2imds {

// Lets one coroutine at a time do what takes several steps; the others wait. All of them on one thread.
class AsyncMutex {
 public:
  explicit AsyncMutex(asio::io_context& io) : freed_(io, asio::steady_timer::time_point::max()) {}
  AsyncMutex(const AsyncMutex&) = delete;
  AsyncMutex& operator=(const AsyncMutex&) = delete;

  // Holds the mutex until it is destroyed; the mutex must outlive it.
  class Lock {
   public:
    explicit Lock(AsyncMutex* mutex) : mutex_(mutex) {}
    Lock(Lock&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Lock& operator=(Lock&&) = delete;
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() {
      if (mutex_ != nullptr) {
        ++mutex_->whose_turn_;
        mutex_->freed_.cancel();
      }
    }

   private:
    AsyncMutex* mutex_;
  };

  // In the order of the calls.
  asio::awaitable<Lock> lock() {
    const std::uint64_t ours = next_++;
    while (ours != whose_turn_) {
      (void)co_await freed_.async_wait(kAsTuple);
    }
    co_return Lock(this);
  }

  [[nodiscard]] bool is_locked() const {
    return next_ != whose_turn_;
  }

 private:
  asio::steady_timer freed_;  // never expires: its cancellation says that it is another's turn
  std::uint64_t next_ = 0;
  std::uint64_t whose_turn_ = 0;
};

}  // namespace msi2imds
