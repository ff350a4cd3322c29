// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "base/asio.hpp"
#include "base/task.hpp"

// The ways to start a coroutine that nobody waits for. What goes wrong in one is never lost: a process that
// goes on without one of its parts serves nobody, while one that ends is replaced. `name` says in the log
// whose fault it was, and is a string literal.
namespace msi2imds {

// For a coroutine that ends when its work is done. An exception out of it leaves io.run(), as a
// std::runtime_error "NAME: reason".
void spawn(asio::io_context& io, const char* name, asio::awaitable<void> coroutine);

// Says in the log what went wrong in one of many that are independent of each other.
void note_contained_failure(const char* name, const std::exception_ptr& exception);

template <typename Begin, typename AtEnd>
Task<> contain(const char* name, Begin begin, AtEnd at_end) {
  std::exception_ptr exception;
  try {
    co_await begin();
  } catch (...) {
    exception = std::current_exception();
  }
  try {
    at_end();  // first: to log may fail as well
  } catch (...) {
    exception = std::current_exception();
  }
  if (exception) {
    note_contained_failure(name, exception);
  }
}

// For one of many that are independent of each other, such as a client's connection, whose Task `begin`
// makes: an exception out of it, or because it cannot even begin, is an error in the log and concerns nobody
// else. `at_end` is called once in any case, perhaps before this returns.
template <typename Begin, typename AtEnd>
void start_contained(const char* name, const Begin& begin, const AtEnd& at_end) {
  try {
    contain(name, begin, at_end).detach();
  } catch (...) {  // there is no memory for it
    at_end();
    note_contained_failure(name, std::current_exception());
  }
}

// What went wrong in those so far.
struct ContainedFailures {
  std::uint64_t count = 0;
  std::string last;  // "NAME: reason"
  std::chrono::steady_clock::time_point when;
};
[[nodiscard]] const ContainedFailures& contained_failures();

// A coroutine that has to go on until its owner stops it, such as one that accepts connections. If it returns
// before, that leaves io.run() as an exception does.
class Duty {
 public:
  Duty() = default;
  Duty(const Duty&) = delete;
  Duty& operator=(const Duty&) = delete;
  ~Duty();

  // Starts the coroutine, which takes the place of one that was started before.
  void start(asio::io_context& io, const char* name, asio::awaitable<void> coroutine);
  void start(asio::io_context& io, const char* name, Task<> task);

  // From here on the coroutine may return. Its owner makes it return, for instance by closing its socket. An
  // exception still ends the process.
  void stop() noexcept;

 private:
  struct State;
  std::shared_ptr<State> restart();
  static asio::awaitable<void> until_stopped(asio::awaitable<void> coroutine, std::shared_ptr<State> state);
  static Task<> until_stopped(asio::io_context& io, const char* name, Task<> task,
                              std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

// Runs `io` until it is stopped or has nothing more to do. False: an exception has ended it, and the log says
// which ("cannot go on: NAME: reason").
[[nodiscard]] bool run_event_loop(asio::io_context& io);

}  // namespace msi2imds
