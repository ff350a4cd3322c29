// SPDX-License-Identifier: MIT
#include "audit/log.hpp"

#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <system_error>
#include <utility>

#include "base/log.hpp"

namespace msi2imds::audit {
namespace {

// What a line may have on an average, and how many owners get all they may have.
constexpr double kBytesOfLine = 2048;
constexpr double kOwners = 4;
constexpr std::chrono::seconds kTellLeftOut{1};

}  // namespace

Log::Log() {
  configure({});
}

void Log::configure(const Settings& settings) {
  flush();
  settings_ = settings;
  bytes_ = FairRate(settings.max_rate * kBytesOfLine * kOwners, settings.max_rate * kBytesOfLine);
  limiter_.configure(settings.max_rate);
}

void Log::use_file(UniqueFd file) {
  flush();
  file_ = std::move(file);
  is_failing_ = false;
  ends_within_a_line_ = false;
}

void Log::write(const Record& record, const Limiter::CallerPtr& caller) {
  const auto now = std::chrono::steady_clock::now();
  const std::uint32_t owner = settings_.holders.of(caller->uid).owner;
  if (!limiter_.admit(caller, now, bytes_.has(owner, now))) {
    ++counters_.left_out;
    return;
  }
  const std::size_t before = lines_.size();
  append(lines_, record, settings_.format);
  bytes_.take(owner, static_cast<double>(lines_.size() - before));
  ++count_;
}

// For those for whom there is no room, one line tells how many they were.
void Log::append_left_out_lines() {
  const auto now = std::chrono::steady_clock::now();
  const auto time = std::chrono::system_clock::now();
  const std::vector<Limiter::LeftOut> all = limiter_.take_left_out(now);
  for (const Limiter::LeftOut& left_out : all) {
    const std::uint32_t owner = settings_.holders.of(left_out.caller->uid).owner;
    if (!bytes_.has(owner, now)) {
      left_out_ += left_out.count;
      continue;
    }
    const std::size_t before = lines_.size();
    append_left_out(lines_, time, left_out.count, *left_out.caller, settings_.format);
    bytes_.take(owner, static_cast<double>(lines_.size() - before));
    ++count_;
  }
  if (left_out_ > 0 && now - told_ >= kTellLeftOut) {
    append_left_out(lines_, time, std::exchange(left_out_, 0), caller::Identity(), settings_.format);
    told_ = now;
    ++count_;
  }
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
