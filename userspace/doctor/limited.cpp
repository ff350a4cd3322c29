// SPDX-License-Identifier: MIT
#include "doctor/limited.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <optional>
#include <string_view>

#include "base/descriptors.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::doctor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kEnd = "END";

// Fields end in a NUL, which no text of a file name, a process or an error holds; a last field says that
// nothing is missing.
std::string pack(const Findings& findings) {
  std::string packed;
  const auto add = [&packed](std::string field) {
    std::erase(field, '\0');
    packed += field + '\0';
  };
  for (const Finding& finding : findings) {
    add(finding.check);
    add(std::string(to_string(finding.level)));
    add(finding.text);
    add(finding.advice);
  }
  add(std::string(kEnd));
  return packed;
}

Level level_of(std::string_view text) {
  for (const Level level : {Level::ok, Level::warning, Level::unknown}) {
    if (text == to_string(level)) {
      return level;
    }
  }
  return Level::error;
}

std::optional<Findings> unpack(std::string_view packed) {
  std::vector<std::string> fields;
  while (!packed.empty()) {
    const std::size_t end = packed.find('\0');
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    fields.emplace_back(packed.substr(0, end));
    packed.remove_prefix(end + 1);
  }
  if (fields.size() % 4 != 1 || fields.back() != kEnd) {
    return std::nullopt;
  }
  Findings findings;
  for (std::size_t at = 0; at + 4 < fields.size(); at += 4) {
    findings.push_back({.check = fields[at],
                        .level = level_of(fields[at + 1]),
                        .text = fields[at + 2],
                        .advice = fields[at + 3]});
  }
  return findings;
}

[[noreturn]] void look_and_write(int pipe, const std::function<Findings()>& look) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::string packed;
  try {
    packed = pack(look());
  } catch (const std::exception&) {
    ::_exit(1);
  }
  ::_exit(write_all(pipe, packed, "write the findings") ? 0 : 1);
}

// All that comes until the other end is closed; false: it was not closed in time.
bool read_until(int pipe, Clock::time_point deadline, std::string& text) {
  std::array<char, 4096> buffer{};
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd waiting{.fd = pipe, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready == 0) {
      return false;
    }
    const ssize_t size = ready > 0 ? ::read(pipe, buffer.data(), buffer.size()) : -1;
    if (size < 0 && errno != EINTR) {
      return true;
    }
    if (size == 0) {
      return true;
    }
    text.append(buffer.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
  }
}

// A child that hangs in the kernel is not waited for: it ends when the kernel lets it go.
void end(pid_t child, bool is_done) {
  if (!is_done) {
    (void)::kill(child, SIGKILL);
  }
  constexpr int kTries = 100;
  constexpr std::chrono::milliseconds kPause{10};
  for (int tries = 0; tries < kTries; ++tries) {
    const pid_t ended = ::waitpid(child, nullptr, WNOHANG);
    if (ended != 0 && !(ended < 0 && errno == EINTR)) {
      return;
    }
    (void)::poll(nullptr, 0, static_cast<int>(kPause.count()));
  }
}

Finding incomplete(const std::string& check, const std::string& why) {
  return warning(check, "This check " + why + ", so it has no result.",
                 "Run doctor again, and report it if it happens again.");
}

}  // namespace

Findings look_limited(const std::string& check, std::chrono::milliseconds limit,
                      const std::function<Findings()>& look) {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return {incomplete(check, "could not start")};
  }
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) {
    return {incomplete(check, "could not start")};
  }
  if (child == 0) {
    look_and_write(writer.get(), look);
  }
  writer = UniqueFd();
  std::string packed;
  const bool is_done = read_until(reader.get(), Clock::now() + limit, packed);
  end(child, is_done);
  if (!is_done) {
    return {incomplete(check, "did not finish in time")};
  }
  std::optional<Findings> findings = unpack(packed);
  return findings ? std::move(*findings) : Findings{incomplete(check, "failed")};
}

}  // namespace msi2imds::doctor
