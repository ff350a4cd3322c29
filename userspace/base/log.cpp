// SPDX-License-Identifier: MIT
#include "base/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/escape.hpp"
#include "base/journal.hpp"
#include "base/json.hpp"
#include "base/log_sink.hpp"

namespace msi2imds::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// %* in a pattern: the priority prefix of sd-daemon(3).
class JournalPriority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    const char* prefix = message.level >= spdlog::level::err    ? "<3>"
                         : message.level == spdlog::level::warn ? "<4>"
                         : message.level == spdlog::level::info ? "<6>"
                                                                : "<7>";
    out.append(prefix, prefix + 3);
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JournalPriority>();
  }
};

Format current_format = Format::text;
std::string current_mark;
Journal journal;

// One for the process: what waits in it outlives a change of the settings.
const std::shared_ptr<Sink>& sink() {
  static const auto sink = std::make_shared<Sink>(STDERR_FILENO);
  return sink;
}

// journald tells the program and the process of each line by itself: "msi2imds-responder" is then "responder:
// ", and the program's own name nothing.
std::string mark_in_journal(std::string_view process) {
  constexpr std::string_view kProgram = "msi2imds";
  if (process.starts_with(kProgram)) {
    process.remove_prefix(std::min(process.size(), kProgram.size() + 1));
  }
  return process.empty() ? std::string() : std::string(process) + ": ";
}

// As in syslog(3).
std::string_view priority_of(Level level) {
  switch (level) {
    case Level::debug:
      return "7";
    case Level::info:
      return "6";
    case Level::warn:
      return "4";
    case Level::error:
      break;
  }
  return "3";
}

std::string journal_entry(Level level, std::string_view message, const Fields& fields) {
  std::string entry;
  append_field(entry, "MESSAGE", current_mark + std::string(message));
  append_field(entry, "PRIORITY", priority_of(level));
  append_field(entry, "SYSLOG_IDENTIFIER", "msi2imds");
  append_field(entry, "MESSAGE_ID", fields.message_id);
  append_field(entry, "UNIT", fields.unit);
  append_field(entry, "PROGRAM", fields.program);
  append_field(entry, "RESOURCE", fields.resource);
  append_field(entry, "OUTCOME", fields.outcome);
  return entry;
}

}  // namespace

void start(const Options& options, std::string_view process) {
  current_format = options.format;
  current_mark = mark_in_journal(process);
  journal.open(options.journal);
  sink()->begin(process);
  auto logger = std::make_shared<spdlog::logger>(std::string(process), sink());
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<JournalPriority>('*');
  if (options.format == Format::json) {
    formatter->set_pattern(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","process":"%n","pid":%P,"message":%v})");
  } else if (std::getenv("JOURNAL_STREAM") != nullptr) {
    formatter->set_pattern("%*" + current_mark + "%v");
  } else {
    formatter->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %n[%P]: %v");
  }
  logger->set_formatter(std::move(formatter));
  logger->set_level(to_spdlog(options.level));
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

bool enabled(Level level) {
  return spdlog::default_logger_raw()->should_log(to_spdlog(level));
}

void write(Level level, std::string_view message, const Fields& fields) {
  if (current_format == Format::text && enabled(level) && journal.is_open() &&
      journal.send(journal_entry(level, message, fields))) {
    return;
  }
  // A plain string, never a format: the message may hold braces.
  const std::string line =
      current_format == Format::json ? json_string(message) : escape::control_characters(message);
  spdlog::default_logger_raw()->log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

void write(Level level, std::string_view message) {
  write(level, message, {});
}

void flush() {
  sink()->flush();
}

std::uint64_t lost_lines() {
  return sink()->lost_lines();
}

bool loses_lines() {
  return sink()->loses_lines();
}

}  // namespace msi2imds::log
