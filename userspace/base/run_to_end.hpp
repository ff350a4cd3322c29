// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <utility>

namespace msi2imds {

namespace asio = boost::asio;

// Runs `task` on an event loop of its own and returns what it returns. For code that has no event loop: a
// command of the command line, a process that was forked, a test.
template <typename T>
T run_to_end(asio::awaitable<T> task) {
  asio::io_context io(1);
  std::optional<T> value;
  const auto keep_value = [&value, &task]() -> asio::awaitable<void> {
    value.emplace(co_await std::move(task));
  };
  asio::co_spawn(io, keep_value(), [](const std::exception_ptr& exception) {
    if (exception) {
      std::rethrow_exception(exception);
    }
  });
  io.run();
  return std::move(*value);
}

inline void run_to_end(asio::awaitable<void> task) {
  asio::io_context io(1);
  asio::co_spawn(io, std::move(task), [](const std::exception_ptr& exception) {
    if (exception) {
      std::rethrow_exception(exception);
    }
  });
  io.run();
}

}  // namespace msi2imds
