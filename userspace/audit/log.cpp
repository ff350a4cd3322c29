// SPDX-License-Identifier: MIT
#include "audit/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace msi2imds::audit {
namespace {

// How long lines may be on average, and how many times the bytes of one owner all owners together may have.
constexpr double kBytesOfLine = 2048;
constexpr double kOwners = 4;
// The room of each Kind. Requests without a token in the end need less of it.
constexpr std::array<double, kKinds> kParts = {1, 1.0 / 8, 1.0 / 8};
constexpr std::chrono::seconds kTellLeftOut{1};
// How many bytes of lines are kept while the disk does not take them.
constexpr std::size_t kMostKept = std::size_t{1024} * 1024;

std::uint64_t count_lines(std::string_view text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

Log::Log() {
  configure({});
}

void Log::configure(const Settings& settings) {
  flush();
  settings_ = settings;
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    rooms_.at(kind).bytes = FairRate(settings.max_rate * kBytesOfLine * kOwners * kParts.at(kind));
    rooms_.at(kind).limiter.configure(settings.max_rate);
  }
}

std::uint64_t Log::count_unwritten() const {
  return count_lines(lines_);
}

void Log::use_file(UniqueFd file, FileEnd end) {
  flush();
  file_ = std::move(file);
  lacks_line_feed_ = file_ && end == FileEnd::within_a_line;
  failure_.clear();
  if (std::exchange(ends_within_a_line_, false)) {
    ++counters_.failed;
    take_out(lines_.find('\n') + 1);
  }
  if (!file_) {
    flush();  // what the file before did not take
  }
}

void Log::write(const Record& record, const Limiter::CallerPtr& caller) {
  const auto now = std::chrono::steady_clock::now();
  const Holder holder = settings_.holders.of(caller->uid);
  Room& room = rooms_.at(static_cast<std::size_t>(record.kind));
  if (!room.limiter.admit(caller, now, room.bytes.has(holder, now))) {
    ++counters_.left_out;
    return;
  }
  const std::size_t before = lines_.size();
  append(lines_, record, settings_.format);
  room.bytes.take(holder, static_cast<double>(lines_.size() - before), now);
  if (!file_) {
    write_to_log(record);
  }
}

// Callers for whose own lines there is no room share one line of each kind, which tells their number.
void Log::append_left_out_lines() {
  const auto now = std::chrono::steady_clock::now();
  const bool tells_rest = now - told_ >= kTellLeftOut;
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    Room& room = rooms_.at(kind);
    for (const Limiter::LeftOut& left_out : room.limiter.take_left_out(now)) {
      const Holder holder = settings_.holders.of(left_out.caller->uid);
      if (!room.bytes.has(holder, now)) {
        room.left_out += left_out.count;
        continue;
      }
      const std::size_t before = lines_.size();
      append_left_out(left_out.count, static_cast<Kind>(kind), *left_out.caller);
      room.bytes.take(holder, static_cast<double>(lines_.size() - before), now);
    }
    if (room.left_out > 0 && tells_rest) {
      append_left_out(std::exchange(room.left_out, 0), static_cast<Kind>(kind), caller::Identity());
      told_ = now;
    }
  }
}

void Log::append_left_out(std::uint64_t count, Kind kind, const caller::Identity& caller) {
  audit::append_left_out(lines_, std::chrono::system_clock::now(), count, kind, caller, settings_.format);
}

void Log::flush() {
  append_left_out_lines();
  if (!lines_.empty() && file_) {
    write_lines();
  } else if (!lines_.empty()) {
    write_to_log({.message_id = kAuditLine});
  }
}

void Log::write_to_log(const Record& record) {
  const caller::Identity& caller = record.caller;
  write_to_log({.message_id = kAuditLine,
                .unit = caller.unit,
                .program = caller.program,  // a process may call itself as it likes
                .resource = record.resource,
                .outcome = record.outcome});
}

// The lines that wait. With fields, they are about one request.
void Log::write_to_log(const log::Fields& fields) {
  const std::uint64_t lost_before = log::lost_lines();
  std::istringstream lines(lines_);
  for (std::string line; std::getline(lines, line);) {
    log::write(log::Level::info, "audit: " + line, fields);
  }
  const std::uint64_t lost = log::lost_lines() - lost_before;
  counters_.failed += lost;
  counters_.written += count_lines(lines_) - lost;
  lines_.clear();
}

void Log::write_lines() {
  lacks_line_feed_ = lacks_line_feed_ && ::write(file_.get(), "\n", 1) != 1;
  const ssize_t size = lacks_line_feed_ ? -1 : ::write(file_.get(), lines_.data(), lines_.size());
  const int err = size < 0 ? errno : ENOSPC;
  if (size > 0) {
    const std::string_view written = std::string_view(lines_).substr(0, static_cast<std::size_t>(size));
    counters_.written += count_lines(written);
    ends_within_a_line_ = written.back() != '\n';
    take_out(written.size());
  }
  if (lines_.empty()) {
    note("");
    return;
  }
  note(std::system_category().message(err));
  if (lines_.size() > kMostKept) {  // the rest of a line stays, so that the next one begins at its own start
    const std::size_t rest = ends_within_a_line_ ? lines_.find('\n') + 1 : 0;
    counters_.failed += count_lines(std::string_view(lines_).substr(rest));
    lines_.resize(rest);
  }
}

// Removes the first `size` bytes that wait, and gives back memory that a long wait took.
void Log::take_out(std::size_t size) {
  lines_.erase(0, size);
  if (lines_.empty() && lines_.capacity() > kMostKept / 4) {
    std::string().swap(lines_);
  }
}

void Log::note(const std::string& failure) {
  if (failure_.empty() && !failure.empty()) {
    log::error("cannot write the audit: {}; its lines are kept until that works again, up to {} KiB of them",
               failure, kMostKept / 1024);
  } else if (!failure_.empty() && failure.empty()) {
    log::info("the audit is written again");
  }
  failure_ = failure;
}

}  // namespace msi2imds::audit
