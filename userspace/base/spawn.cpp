// SPDX-License-Identifier: MIT
#include "base/spawn.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/log.hpp"

namespace msi2imds {
namespace {

// Freed when something has gone wrong: to say what it was takes memory, of which there may be none left.
// Small enough to come from the heap, where it goes back to.
constexpr std::size_t kForLastWords = std::size_t{64} * 1024;
std::unique_ptr<char[]>& reserve() {
  static std::unique_ptr<char[]> reserve;
  return reserve;
}

std::string reason_of(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception of unknown type";
  }
}

ContainedFailures& failures() {
  static ContainedFailures all;
  return all;
}

void throw_if_failed(const char* name, const std::exception_ptr& exception) {
  if (exception) {
    reserve().reset();
    throw std::runtime_error(std::string(name) + ": " + reason_of(exception));
  }
}

}  // namespace

struct Duty::State {
  void end() const;
  bool is_stopped = false;
};

void spawn(asio::io_context& io, const char* name, asio::awaitable<void> coroutine) {
  asio::co_spawn(io, std::move(coroutine),
                 [name](const std::exception_ptr& exception) { throw_if_failed(name, exception); });
}

// Counted first: there may be no memory for the words.
void note_contained_failure(const char* name, const std::exception_ptr& exception) {
  ContainedFailures& all = failures();
  ++all.count;
  all.when = std::chrono::steady_clock::now();
  const std::string reason = std::string(name) + ": " + reason_of(exception);
  all.last = reason;
  log::error("{}", reason);
}

const ContainedFailures& contained_failures() {
  return failures();
}

Duty::~Duty() {
  stop();
}

void Duty::State::end() const {
  if (!is_stopped) {
    throw std::runtime_error("has ended though nobody stopped it");
  }
}

std::shared_ptr<Duty::State> Duty::restart() {
  stop();
  state_ = std::make_shared<State>();
  return state_;
}

asio::awaitable<void> Duty::until_stopped(asio::awaitable<void> coroutine, std::shared_ptr<State> state) {
  co_await std::move(coroutine);
  state->end();
}

// Its exception leaves io.run() as that of a coroutine of Asio's does.
Task<> Duty::until_stopped(asio::io_context& io, const char* name, Task<> task,
                           std::shared_ptr<State> state) {
  std::exception_ptr exception;
  try {
    co_await std::move(task);
    state->end();
  } catch (...) {
    exception = std::current_exception();
  }
  if (exception) {
    asio::post(io, [name, exception] { throw_if_failed(name, exception); });
  }
}

void Duty::start(asio::io_context& io, const char* name, asio::awaitable<void> coroutine) {
  spawn(io, name, until_stopped(std::move(coroutine), restart()));
}

void Duty::start(asio::io_context& io, const char* name, Task<> task) {
  until_stopped(io, name, std::move(task), restart()).detach();
}

void Duty::stop() noexcept {
  if (state_) {
    state_->is_stopped = true;
  }
}

bool run_event_loop(asio::io_context& io) {
  try {
    reserve() = std::make_unique<char[]>(kForLastWords);
    io.run();
    return true;
  } catch (const std::exception& error) {
    log::error("cannot go on: {}", error.what());
  } catch (...) {
    log::error("cannot go on: an exception of unknown type");
  }
  return false;
}

}  // namespace msi2imds
