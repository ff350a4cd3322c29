// SPDX-License-Identifier: MIT
// Whatever the bytes that a client sends, and however they are split: the connection makes the same requests
// of them, and each of these goes one way.
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.hpp"
#include "base/unique_fd.hpp"
#include "fuzz/journey.hpp"
#include "fuzz/require.hpp"
#include "http/connection.hpp"
#include "legacy/parse.hpp"

namespace {

using namespace msi2imds;
using fuzz::require;

// Small, so that the fuzzer reaches them.
const http::Limits kLimits{.header_bytes = 512, .body_bytes = 256};
constexpr std::size_t kMostPieces = 64;

struct Outcome {
  std::vector<http::Request> requests;
  http::ReadFailure failure;
  bool is_over = false;
};

bool is_same(const http::Request& one, const http::Request& other) {
  const auto same_header = [](const http::Header& a, const http::Header& b) {
    return a.name == b.name && a.value == b.value;
  };
  return one.version == other.version && one.method == other.method && one.target == other.target &&
         one.body == other.body && std::ranges::equal(one.headers, other.headers, same_header);
}

// A fault in the last bytes of all, which are too few for a chunk, is seen only where more has come with
// them: nobody is told of it who has ended by himself.
bool is_same_failure(const http::ReadFailure& one, const http::ReadFailure& other) {
  return (one.status == other.status && one.reason == other.reason) || one.status + other.status == 400;
}

bool is_same(const Outcome& one, const Outcome& other) {
  return is_same_failure(one.failure, other.failure) &&
         std::ranges::equal(one.requests, other.requests,
                            [](const http::Request& a, const http::Request& b) { return is_same(a, b); });
}

// What a fault would be looked for in.
std::string description_of(const Outcome& outcome) {
  return std::to_string(outcome.requests.size()) + " requests, then " +
         std::to_string(outcome.failure.status) + ": " + outcome.failure.reason + "\n";
}

void require_same(const Outcome& one, const Outcome& other) {
  if (!is_same(one, other)) {
    std::fputs((description_of(one) + description_of(other)).c_str(), stderr);
    std::abort();
  }
}

// Without answers, which take nothing from what is read.
Task<> read_all(http::Connection& connection, Outcome& outcome) {
  do {
    http::Request request;
    const http::ReadResult read = co_await connection.read(request);
    if (!read) {
      outcome.failure = read.error();
      break;
    }
    outcome.requests.push_back(request);
  } while (!connection.is_last());
  outcome.is_over = true;
}

Outcome read_in_pieces(std::string_view bytes, std::size_t size) {
  asio::io_context io{1};
  http::Deadlines deadlines{io};
  std::array<int, 2> ends{};
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const UniqueFd client(ends[1]);
  http::Connection connection(WaitSet::of(io), UniqueFd(ends[0]), kLimits, deadlines);
  Outcome outcome;
  read_all(connection, outcome).detach();
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, size);
    require(::send(client.get(), piece.data(), piece.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(piece.size()));
    io.poll();
    bytes.remove_prefix(piece.size());
  }
  require(::shutdown(client.get(), SHUT_WR) == 0);
  while (!outcome.is_over) {
    io.run_one();
  }
  return outcome;
}

void require_sound(const Outcome& outcome) {
  require(outcome.failure.status == 0 || outcome.failure.status == 400 || outcome.failure.status == 413 ||
          outcome.failure.status == 431);
  for (const http::Request& request : outcome.requests) {
    require(request.body.size() <= kLimits.body_bytes);
    require(request.version == 10 || request.version == 11);
    require(!fuzz::has_control_character(request.target) && !fuzz::contains(request.target, " "));
    for (const http::Header& header : request.headers) {
      require(!header.name.empty() && !fuzz::contains(header.value, "\r") &&
              !fuzz::contains(header.value, "\n"));
    }
    if (auto asked = legacy::parse(request, legacy::Rules())) {
      fuzz::follow(std::move(*asked));
    }
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::view_of(data, size);
  if (bytes.empty()) {
    return 0;
  }
  const Outcome whole = read_in_pieces(bytes, bytes.size());
  require_sound(whole);
  require_same(whole, read_in_pieces(bytes, size / kMostPieces + 1));
  require_same(whole, read_in_pieces(bytes, size / 3 + 1));
  return 0;
}
