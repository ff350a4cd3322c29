// SPDX-License-Identifier: MIT
#include "audit/log.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <sstream>
#include <system_error>
#include <utility>

#include "base/log.hpp"

namespace msi2imds::audit {
namespace {

// What a line may have on an average, and how many times that all may have.
constexpr double kBytesOfLine = 2048;
constexpr double kOwners = 4;
// By Kind. Whoever asks for nothing sensible needs no room of those who do.
constexpr std::array<double, kKinds> kParts = {1, 1.0 / 8, 1.0 / 8};
constexpr std::chrono::seconds kTellLeftOut{1};

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

void Log::use_file(UniqueFd file) {
  flush();
  file_ = std::move(file);
  is_failing_ = false;
  ends_within_a_line_ = false;
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
  ++count_;
}

// For those for whom there is no room, one line of each kind tells how many they were.
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
  ++count_;
}

void Log::flush() {
  append_left_out_lines();
  if (!lines_.empty()) {
    write_lines();
    lines_.clear();
    count_ = 0;
  }
}

void Log::write_lines() {
  if (!file_) {
    const std::uint64_t lost_before = log::lost_lines();
    std::istringstream lines(lines_);
    for (std::string line; std::getline(lines, line);) {
      log::info("audit: {}", line);
    }
    const std::uint64_t lost = log::lost_lines() - lost_before;
    counters_.failed += lost;
    counters_.written += count_ - lost;
    return;
  }
  if (ends_within_a_line_) {
    lines_.insert(0, 1, '\n');
  }
  const ssize_t size = ::write(file_.get(), lines_.data(), lines_.size());
  ends_within_a_line_ = size > 0 ? lines_[static_cast<std::size_t>(size) - 1] != '\n' : ends_within_a_line_;
  if (size == static_cast<ssize_t>(lines_.size())) {
    counters_.written += count_;
    is_failing_ = false;
    return;
  }
  const int err = size < 0 ? errno : ENOSPC;
  counters_.failed += count_;
  if (!std::exchange(is_failing_, true)) {
    log::error("cannot write the audit: {}; its lines are lost until that works again",
               std::system_category().message(err));
  }
}

}  // namespace msi2imds::audit
