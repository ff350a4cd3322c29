// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string_view>

// One logger for the process, on stderr. Messages read `verb object: reason` and never hold a token. It never
// waits for whoever reads it: what cannot be written yet is kept, up to 256 KiB, and lines that are more than
// that are lost, which a line says afterwards.
namespace msi2imds::log {

enum class Level { debug, info, warn, error };
enum class Format { text, json };

struct Options {
  Level level = Level::info;
  Format format = Format::text;
};

// Sets up the logger; `process` ("msi2imds-responder") names the writer on each line. With $JOURNAL_STREAM
// set, lines of Format::text carry journald's priority prefix instead of a time stamp, and of the name what
// follows "msi2imds-", since journald adds the program and the process.
void start(const Options& options, std::string_view process);

// Writes one line. Control characters in `message` are escaped, so that a caller's string cannot forge a
// line.
void write(Level level, std::string_view message);

// Writes what could not be written before, as far as that is possible now. Every line does the same; for
// processes that may be silent for long.
void flush();

// How many lines were lost so far.
[[nodiscard]] std::uint64_t lost_lines();

// Whether lines are being lost: some were, and nobody has read that yet, or nobody is there to read.
[[nodiscard]] bool loses_lines();

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
