// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/asio.hpp"

// The ways to start a coroutine that nobody waits for. What goes wrong in one is never lost: a process that
// goes on without one of its parts serves nobody, while one that ends is replaced. `name` says in the log
// whose fault it was, and is a string literal.
namespace msi2imds {

// For a coroutine that ends when its work is done. An exception out of it leaves io.run(), as a
// std::runtime_error "NAME: reason".
void spawn(asio::io_context& io, const char* name, asio::awaitable<void> coroutine);

// For one of many that are independent of each other, such as a client's connection, which `begin` makes: an
// exception out of it, or because it cannot even begin, is an error in the log and concerns nobody else.
// `at_end` is called once in any case.
void spawn_contained(asio::io_context& io, const char* name,
                     const std::function<asio::awaitable<void>()>& begin,
                     const std::function<void()>& at_end);

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

  // From here on the coroutine may return. Its owner makes it return, for instance by closing its socket. An
  // exception still ends the process.
  void stop() noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Runs `io` until it is stopped or has nothing more to do. False: an exception has ended it, and the log says
// which ("cannot go on: NAME: reason").
[[nodiscard]] bool run_event_loop(asio::io_context& io);

}  // namespace msi2imds
