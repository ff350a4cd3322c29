// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/asio.hpp"

namespace msi2imds {

// Lets one coroutine at a time do what takes several steps; the others wait. All of them on one thread.
class AsyncMutex {
  struct State {
    explicit State(asio::io_context& io) : next_turn(io, asio::steady_timer::time_point::max()) {}
    asio::steady_timer next_turn;  // never expires: its cancellation says that it is another's turn
    std::uint64_t taken = 0;
    std::uint64_t whose_turn = 0;
  };

 public:
  explicit AsyncMutex(asio::io_context& io) : state_(std::make_shared<State>(io)) {}
  AsyncMutex(const AsyncMutex&) = delete;
  AsyncMutex& operator=(const AsyncMutex&) = delete;
  ~AsyncMutex() = default;

  // Holds the mutex until it is destroyed. That may be after the mutex, where coroutines are destroyed with
  // their io_context.
  class Lock {
   public:
    explicit Lock(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Lock(Lock&& other) noexcept = default;
    Lock& operator=(Lock&&) = delete;
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() {
      if (state_) {
        ++state_->whose_turn;
        state_->next_turn.cancel();
      }
    }

   private:
    std::shared_ptr<State> state_;
  };

  // Waits its turn: whoever called first gets the lock first.
  asio::awaitable<Lock> lock() {
    const std::shared_ptr<State> state = state_;
    const std::uint64_t ours = state->taken++;
    while (ours != state->whose_turn) {
      (void)co_await state->next_turn.async_wait(kAsTuple);
    }
    co_return Lock(state);
  }

  [[nodiscard]] bool is_locked() const {
    return state_->taken != state_->whose_turn;
  }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace msi2imds
