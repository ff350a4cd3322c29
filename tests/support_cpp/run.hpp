// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/asio.hpp"
#include "base/task.hpp"

// Coroutines in tests: everything happens on one thread, and what would wait forever fails.
namespace msi2imds::support {

inline constexpr std::chrono::seconds kPatience{10};

// Lets `io` work until `done()`; false when that takes too long.
template <typename Predicate>
bool run_until(asio::io_context& io, Predicate done, std::chrono::seconds patience = kPatience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!done()) {
    io.restart();
    if (io.run_one_until(deadline) == 0) {
      return done();
    }
  }
  return true;
}

template <typename T>
Task<> store(Task<T> task, std::optional<T>& result, std::exception_ptr& exception) {
  try {
    result.emplace(co_await std::move(task));
  } catch (...) {
    exception = std::current_exception();
  }
}

inline Task<> store(Task<> task, std::optional<bool>& done, std::exception_ptr& exception) {
  try {
    co_await std::move(task);
    done = true;
  } catch (...) {
    exception = std::current_exception();
  }
}

template <typename T>
asio::awaitable<void> store(asio::awaitable<T> coroutine, std::optional<T>& result) {
  result.emplace(co_await std::move(coroutine));
}

inline asio::awaitable<void> store(asio::awaitable<void> coroutine, std::optional<bool>& done) {
  co_await std::move(coroutine);
  done = true;
}

// A coroutine that was started and may still wait; outlives neither `io` nor what the coroutine uses.
template <typename T>
class Started {
 public:
  using Value = std::conditional_t<std::is_void_v<T>, bool, T>;

  Started(asio::io_context& io, asio::awaitable<T> coroutine) : io_(io) {
    asio::co_spawn(io, store(std::move(coroutine), result_),
                   [this](const std::exception_ptr& exception) { exception_ = exception; });
    io_.restart();
    io_.poll();
  }
  Started(asio::io_context& io, Task<T> task) : io_(io) {
    store(std::move(task), result_, exception_).detach();
    io_.restart();
    io_.poll();
  }
  Started(const Started&) = delete;
  Started& operator=(const Started&) = delete;
  ~Started() = default;

  [[nodiscard]] bool is_done() const {
    return result_.has_value() || exception_ != nullptr;
  }

  // What the coroutine returned, once it has.
  Value get(std::chrono::seconds patience = kPatience) {
    if (!run_until(
            io_, [this] { return is_done(); }, patience)) {
      throw std::runtime_error("the coroutine still waits");
    }
    if (exception_) {
      std::rethrow_exception(exception_);
    }
    return std::move(*result_);
  }

 private:
  asio::io_context& io_;
  std::optional<Value> result_;
  std::exception_ptr exception_;
};

// Runs one coroutine to its end.
template <typename T>
auto run(asio::io_context& io, Task<T> task) {
  return Started<T>(io, std::move(task)).get();
}
template <typename T>
auto run(asio::io_context& io, asio::awaitable<T> coroutine, std::chrono::seconds patience = kPatience) {
  return Started<T>(io, std::move(coroutine)).get(patience);
}

}  // namespace msi2imds::support
