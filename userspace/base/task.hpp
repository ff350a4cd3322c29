// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/asio.hpp"

// Coroutines for what mostly need not wait. Asio's begin in the event loop and go back there at each step; a
// Task begins at once, on the stack of whoever calls it, and is over when it returns there, unless something
// was missing. Only then its caller waits as well, and both go on from the event loop.
namespace msi2imds {

// What there is of a Task whatever its type.
struct TaskFrame {
  std::coroutine_handle<> self;
  TaskFrame* waiter = nullptr;  // goes on when this one is over
  bool is_detached = false;     // nobody will wait for it: it goes when it is over
  bool is_waiting = false;      // for a Resumption
  std::exception_ptr exception;

  // Memory of frames that are over is wiped, and used again.
  static void* operator new(std::size_t bytes);
  static void operator delete(void* memory, std::size_t bytes) noexcept;
};

// What a Task gives to whoever is to let it go on. One that is dropped ends the Task, with all that wait for
// it: nothing would ever let them go on.
class Resumption {
 public:
  explicit Resumption(TaskFrame& frame) : frame_(&frame) {}
  Resumption(Resumption&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Resumption(const Resumption&) = delete;
  Resumption& operator=(const Resumption&) = delete;
  Resumption& operator=(Resumption&&) = delete;
  ~Resumption() {
    if (frame_ != nullptr && frame_->is_waiting) {
      drop();
    }
  }

  void resume() {
    TaskFrame* const frame = std::exchange(frame_, nullptr);
    frame->is_waiting = false;
    frame->self.resume();
  }

 private:
  void drop();

  TaskFrame* frame_;
};

// Resumes when the coroutine is over, and tells what it threw.
void resume_after(asio::io_context& io, asio::awaitable<void> coroutine, Resumption resumption,
                  std::exception_ptr& exception);

template <typename T>
struct TaskValue {
  template <typename U = T>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    return std::move(*value);
  }
  std::optional<T> value;
};
template <>
struct TaskValue<void> {
  void return_void() noexcept {}
  void take() noexcept {}
};

template <typename T = void>
class [[nodiscard]] Task {
 public:
  // NOLINTNEXTLINE(readability-identifier-naming): the compiler knows it by this name
  struct promise_type : TaskFrame, TaskValue<T> {
    struct Over {
      [[nodiscard]] bool await_ready() const noexcept {
        return false;
      }
      [[nodiscard]] std::coroutine_handle<> await_suspend(
          std::coroutine_handle<promise_type> over) const noexcept {
        if (TaskFrame* const waiter = over.promise().waiter; waiter != nullptr) {
          return waiter->self;
        }
        if (over.promise().is_detached) {
          over.destroy();
        }
        return std::noop_coroutine();
      }
      void await_resume() const noexcept {}
    };
    Task get_return_object() {
      const auto handle = std::coroutine_handle<promise_type>::from_promise(*this);
      this->self = handle;
      return Task(handle);
    }
    std::suspend_never initial_suspend() noexcept {
      return {};
    }
    Over final_suspend() noexcept {
      return {};
    }
    void unhandled_exception() {
      this->exception = std::current_exception();
    }
  };

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) {
      handle_.destroy();
    }
  }

  // From here on it goes on alone; what it throws then is lost.
  void detach() && {
    if (!handle_.done()) {
      std::exchange(handle_, {}).promise().is_detached = true;
    }
  }

  [[nodiscard]] bool await_ready() const noexcept {
    return handle_.done();
  }
  template <typename Promise>
  void await_suspend(std::coroutine_handle<Promise> waiter) noexcept {
    handle_.promise().waiter = &waiter.promise();
  }
  T await_resume() {
    if (handle_.promise().exception) {
      std::rethrow_exception(handle_.promise().exception);
    }
    return handle_.promise().take();
  }

 private:
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

// What a Task waits for: begin() gives its Resumption to somebody, who uses or drops it later.
template <typename Kind>
class Waiting {
 public:
  [[nodiscard]] bool await_ready() const noexcept {
    return false;
  }
  template <typename Promise>
  void await_suspend(std::coroutine_handle<Promise> handle) {
    TaskFrame& frame = handle.promise();
    static_cast<Kind*>(this)->begin(Resumption(frame));
    frame.is_waiting = true;  // not before: what fails to begin is no wait
  }
};

// Lets others have their turn first.
class Turn : public Waiting<Turn> {
 public:
  explicit Turn(asio::io_context& io) : io_(&io) {}

  void begin(Resumption resumption);
  void await_resume() const noexcept {}

 private:
  asio::io_context* io_;
};

// Waits for a coroutine of Asio's.
template <typename T>
class AsioWait : public Waiting<AsioWait<T>> {
 public:
  AsioWait(asio::io_context& io, asio::awaitable<T> coroutine) : io_(&io), coroutine_(std::move(coroutine)) {}

  void begin(Resumption resumption) {
    resume_after(*io_, store(std::move(coroutine_), result_), std::move(resumption), exception_);
  }
  T await_resume() {
    if (exception_) {
      std::rethrow_exception(exception_);
    }
    return result_.take();
  }

 private:
  static asio::awaitable<void> store(asio::awaitable<T> coroutine, TaskValue<T>& result) {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(coroutine);
    } else {
      result.return_value(co_await std::move(coroutine));
    }
  }

  asio::io_context* io_;
  asio::awaitable<T> coroutine_;
  TaskValue<T> result_;
  std::exception_ptr exception_;
};

}  // namespace msi2imds
