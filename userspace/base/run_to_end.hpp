// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <utility>

namespace msi2imds {

namespace asio = boost::asio;

// Runs `task` on an event loop of its own and returns what it returns. For code that has no event loop: a
// command of the command line, a process that was forked, a test.
void run_to_end(asio::awaitable<void> task);

template <typename T>
asio::awaitable<void> keep_value(asio::awaitable<T> task, std::optional<T>& value) {
  value.emplace(co_await std::move(task));
}

template <typename T>
T run_to_end(asio::awaitable<T> task) {
  std::optional<T> value;
  run_to_end(keep_value(std::move(task), value));
  return std::move(*value);
}

}  // namespace msi2imds
