// SPDX-License-Identifier: MIT
#include "redirect/open_connections.hpp"

#include <fmt/core.h>
#include <netinet/tcp.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string>

#include "base/text.hpp"
#include "netlink/tcp_sockets.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {
namespace {

constexpr std::chrono::milliseconds kPoll{100};

// Takes the next word off `text`.
std::string_view next_word(std::string_view& text) {
  text = trim(text);
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

bool is_open(std::string_view state) {
  unsigned value = 0;
  (void)std::from_chars(state.data(), state.data() + state.size(), value, 16);
  return value != 0 && value != TCP_LISTEN && value != TCP_TIME_WAIT && value != TCP_CLOSE;
}

std::string read_file(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

std::size_t count_open_connections(std::string_view table, std::uint16_t port) {
  const std::string local_end = fmt::format(":{:04X}", port);
  std::size_t count = 0;
  for (std::string_view line : lines_of(table)) {
    (void)next_word(line);  // the number of the line
    const std::string_view local = next_word(line);
    (void)next_word(line);  // the other end
    if (local.ends_with(local_end) && is_open(next_word(line))) {
      ++count;
    }
  }
  return count;
}

std::size_t count_open_connections(std::uint16_t port) {
  return count_open_connections(read_file("/proc/self/net/tcp"), port) +
         count_open_connections(read_file("/proc/self/net/tcp6"), port);
}

// In this order: whoever is connected between the two is counted.
std::size_t count_who_need_nat(const NatPorts& ports) {
  const auto unanswered = netlink::connections_to(ports.legacy, netlink::Which::unanswered);
  return (unanswered ? unanswered->size() : 0) + count_open_connections(ports.listen);
}

asio::awaitable<void> wait_for_none(std::function<std::size_t()> count, std::chrono::milliseconds longest) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const auto deadline = std::chrono::steady_clock::now() + longest;
  while (count() > 0 && std::chrono::steady_clock::now() < deadline) {
    timer.expires_after(kPoll);
    (void)co_await timer.async_wait(kAsTuple);
  }
}

}  // namespace msi2imds::redirect
