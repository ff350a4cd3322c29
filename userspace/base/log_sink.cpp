// SPDX-License-Identifier: MIT
#include "base/log_sink.hpp"

#include <fmt/core.h>
#include <spdlog/formatter.h>
#include <unistd.h>

#include "base/number_of.hpp"

namespace msi2imds::log {

Sink::Sink(int descriptor) : writer_(descriptor), pid_(::getpid()) {}

void Sink::begin(std::string_view name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  name_ = name;
  writer_.look_again();
}

std::uint64_t Sink::lost_lines() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return lost_;
}

bool Sink::loses_lines() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return told_ != lost_ || writer_.fails();
}

void Sink::sink_it_(const spdlog::details::log_msg& message) {
  leave_to_parent_what_is_its_own();
  writer_.flush();
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  if (!tell_of_lost_lines() || !writer_.has_room_for(line.size())) {
    ++lost_;
    return;
  }
  writer_.write({line.data(), line.size()});
}

void Sink::flush_() {
  leave_to_parent_what_is_its_own();
  writer_.flush();
  (void)tell_of_lost_lines();
}

void Sink::leave_to_parent_what_is_its_own() {
  const pid_t pid = ::getpid();
  if (pid != pid_) {
    pid_ = pid;
    told_ = lost_;
    writer_.forget();
  }
}

// False: there is too little room. Lines are taken again once half of it is free, so that a slow reader gets
// pieces of some length rather than every other line.
bool Sink::tell_of_lost_lines() {
  if (told_ == lost_) {
    return true;
  }
  if (!writer_.has_room_for(LineWriter::kMostWaiting / 2)) {
    return false;
  }
  const std::string text =
      fmt::format("lost {}, since nobody read the log", number_of(lost_ - told_, "log line"));
  spdlog::memory_buf_t line;
  formatter_->format(spdlog::details::log_msg(name_, spdlog::level::warn, text), line);
  told_ = lost_;
  writer_.write({line.data(), line.size()});
  return true;
}

}  // namespace msi2imds::log
