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
  const char* journal = "/run/systemd/journal/socket";
};

// Sets up the logger; `process` ("msi2imds-responder") names the writer on each line. Where stderr is
// journald's, lines of Format::text go to it by its native protocol, and to stderr where it does not take
// them. With $JOURNAL_STREAM set, they have journald's priority prefix there instead of a time stamp, and of
// the name what follows "msi2imds-", since journald adds the program and the process.
void start(const Options& options, std::string_view process);

// What journald is told of a line beside its text (systemd.journal-fields(7)); empty ones are left out.
struct Fields {
  std::string_view message_id = {};
  std::string_view unit = {};  // of the caller, as are the next ones
  std::string_view program = {};
  std::string_view resource = {};
  std::string_view outcome = {};
};

// The lines that programs look for: docs/monitoring.md.
inline constexpr std::string_view kTokenFailed = "e820ccaf5e6e403783f41f0cce3fbdc3";
inline constexpr std::string_view kRedirected = "0b18aa4d82a84b2b88bac72dbdf36936";
inline constexpr std::string_view kLetThrough = "d0718eed4cf4439fba427e913d3f6b21";
inline constexpr std::string_view kResponderEnded = "08d0ed5168ee4d979714becc436edfec";

// Writes one line. Control characters in `message` are escaped, so that a caller's string cannot forge a
// line.
void write(Level level, std::string_view message);
void write(Level level, std::string_view message, const Fields& fields);

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
