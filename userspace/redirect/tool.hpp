// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/asio.hpp"
#include "base/command.hpp"

namespace msi2imds::redirect {

// The reason of an exit status other than 0, as far as the tool's messages tell.
[[nodiscard]] Error failure_of(const std::string& tool, const CommandResult& result);

// Runs a tool that has to succeed, and returns what it printed.
[[nodiscard]] asio::awaitable<Result<std::string>> run_tool(CommandRunner& runner, std::string tool,
                                                            std::vector<std::string> arguments,
                                                            std::string input = {});

// Whether it failed because another tool is changing rules: that holds the lock, or the program waited for it
// until it was killed.
[[nodiscard]] bool is_busy(const Error& failure);

// When an operation gives up waiting for another tool. All of its steps share it.
using Deadline = std::chrono::steady_clock::time_point;

[[nodiscard]] inline Deadline deadline_after(std::chrono::milliseconds patience) {
  return std::chrono::steady_clock::now() + patience;
}

inline constexpr std::chrono::milliseconds kBetweenAttempts{200};

// Repeats `attempt` while another tool is changing rules; begins none after the deadline but the first.
template <typename Attempt>
std::invoke_result_t<Attempt> insist(Deadline deadline, Attempt attempt) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  auto result = co_await attempt();
  while (!result && is_busy(result.error()) && std::chrono::steady_clock::now() < deadline) {
    timer.expires_after(kBetweenAttempts);
    (void)co_await timer.async_wait(kAsTuple);
    result = co_await attempt();
  }
  co_return result;
}

// The port that stands behind the first such words in a text.
[[nodiscard]] std::optional<std::uint16_t> number_after(std::string_view words, std::string_view text);

// The lines of a text, each without the white space around it.
[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);

}  // namespace msi2imds::redirect
