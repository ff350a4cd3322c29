// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/core.h>

#include <string_view>

// One logger for the process, on stderr. Messages read `verb object: reason` and never hold a token.
namespace msi2imds::log {

enum class Level { debug, info, warn, error };
enum class Format { text, json };

struct Options {
  Level level = Level::info;
  Format format = Format::text;
};

// Sets up the logger; `process` names the writer on each line. With $JOURNAL_STREAM set, lines of
// Format::text carry journald's priority prefix instead of a time stamp.
void start(const Options& options, std::string_view process);

// Writes one line. Control characters in `message` are escaped, so that a caller's string cannot forge a
// line.
void write(Level level, std::string_view message);

[[nodiscard]] bool enabled(Level level);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) {
    write(Level::debug, fmt::vformat(format, fmt::make_format_args(args...)));
  }
}

template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::info, fmt::vformat(format, fmt::make_format_args(args...)));
}

template <typename... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warn, fmt::vformat(format, fmt::make_format_args(args...)));
}

template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, fmt::vformat(format, fmt::make_format_args(args...)));
}

}  // namespace msi2imds::log
