// SPDX-License-Identifier: MIT
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/line_writer.hpp"

namespace msi2imds::log {

// The log's way out, which never waits for whoever reads it. Lines for which there is no room any more are
// counted, and a line says how many there were once there is room again. In a child process, what its parent
// has not written yet is the parent's to write.
class Sink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit Sink(int descriptor);

  // Begins another log, whose lines name `name` as their writer. The descriptor may be another file by now.
  void begin(std::string_view name);

  // How many lines were lost so far.
  [[nodiscard]] std::uint64_t lost_lines();

  // Whether some were lost of which no line tells yet, or nobody can be told of.
  [[nodiscard]] bool loses_lines();

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override;

 private:
  void leave_to_parent_what_is_its_own();
  [[nodiscard]] bool tell_of_lost_lines();

  LineWriter writer_;
  std::string name_;
  pid_t pid_;
  std::uint64_t lost_ = 0;
  std::uint64_t told_ = 0;  // of lost_
};

}  // namespace msi2imds::log
