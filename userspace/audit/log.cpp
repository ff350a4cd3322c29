// SPDX-License-Identifier: MIT
#include "audit/log.hpp"

#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <system_error>
#include <utility>

#include "base/log.hpp"

namespace msi2imds::audit {

void Log::configure(const Settings& settings) {
  flush();
  settings_ = settings;
  limiter_.configure(settings.max_rate);
}

void Log::use_file(UniqueFd file) {
  flush();
  file_ = std::move(file);
  is_failing_ = false;
  ends_within_a_line_ = false;
}

void Log::write(const Record& record, const Limiter::CallerPtr& caller) {
  if (!limiter_.admit(caller, std::chrono::steady_clock::now())) {
    ++counters_.left_out;
    return;
  }
  append(lines_, record, settings_.format);
  ++count_;
}

void Log::flush() {
  for (const Limiter::LeftOut& left_out : limiter_.take_left_out(std::chrono::steady_clock::now())) {
    append_left_out(lines_, std::chrono::system_clock::now(), left_out.count, *left_out.caller,
                    settings_.format);
    ++count_;
  }
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
