// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "audit/limiter.hpp"
#include "audit/line.hpp"
#include "base/fair_rate.hpp"
#include "base/holder.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::audit {

struct Settings {
  Format format = Format::text;
  std::uint32_t max_rate = 100;  // lines a second of one caller, of each kind
  Holders holders = {};
};

// Where a file ends; within a line, where whoever wrote it ended while the disk was full.
enum class FileEnd { after_a_line, within_a_line };

struct Counters {
  std::uint64_t written = 0;
  std::uint64_t left_out = 0;
  std::uint64_t failed = 0;  // could not be written, and there was no room to keep them until that works
};

// Of lines that go to journald (systemd.journal-fields(7)); docs/monitoring.md.
inline constexpr std::string_view kAuditLine = "3e47b4127afd420eb32e588149a5812b";

// Lines for requests, collected and written together. A caller gets so many lines a second of each kind;
// beside that whoever has many programs, or long names, gets so many bytes, and all together four times as
// many. What is left out is counted, in a line or where there is no room for that either.
class Log {
 public:
  Log();
  void configure(const Settings& settings);

  // A file opened for appending, from here on; none: lines go to the log.
  void use_file(UniqueFd file, FileEnd end = FileEnd::after_a_line);

  // `record` tells of `caller`. Kept until flush(); where lines go to the log, which never waits, written at
  // once, with the fields of the caller.
  void write(const Record& record, const Limiter::CallerPtr& caller);

  // Writes what was collected. What the disk does not take is kept, up to a mebibyte, and written by a later
  // call; that it fails is said once.
  void flush();

  // How many lines wait for that.
  [[nodiscard]] std::uint64_t count_unwritten() const;
  // Why lines cannot be written at present; empty if they can.
  [[nodiscard]] const std::string& failure() const {
    return failure_;
  }
  [[nodiscard]] const Counters& counters() const {
    return counters_;
  }

 private:
  void append_left_out_lines();
  void append_left_out(std::uint64_t count, Kind kind, const caller::Identity& caller);
  void write_lines();
  void write_to_log(const Record& record);
  void write_to_log(const log::Fields& fields);
  void take_out(std::size_t size);
  void note(const std::string& failure);

  // What lines of one kind may take.
  struct Room {
    Limiter limiter;
    FairRate bytes{0};
    std::uint64_t left_out = 0;  // without a line that says whose they were
  };

  Settings settings_;
  UniqueFd file_;
  std::array<Room, kKinds> rooms_;  // by Kind
  std::chrono::steady_clock::time_point told_;
  std::string lines_;
  Counters counters_;
  std::string failure_;
  bool ends_within_a_line_ = false;  // the disk was full: lines_ begins with the rest of it
  bool lacks_line_feed_ = false;     // behind what another process has begun
};

}  // namespace msi2imds::audit
