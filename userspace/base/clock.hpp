// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>

#include "base/asio.hpp"

namespace msi2imds {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

// Time since the machine started, the time in which it was suspended included. Nobody can set it.
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<BootClock>;

  [[nodiscard]] static time_point now() noexcept;
};
using BootTime = BootClock::time_point;

// What the clocks by which tokens age say at one moment.
struct Moment {
  BootTime boot;
  WallTime wall;
};

[[nodiscard]] inline std::int64_t unix_seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

// A wait that can be cut short.
class Alarm {
 public:
  Alarm() = default;
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  virtual ~Alarm() = default;

  // Returns at `time`, or when ring() is called. One wait at a time.
  virtual asio::awaitable<void> wait_until(SteadyTime time) = 0;

  virtual void ring() = 0;
};

// Time, so that tests can make their own.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  [[nodiscard]] virtual SteadyTime steady() const = 0;  // stands still while the machine sleeps
  [[nodiscard]] virtual WallTime wall() const = 0;      // jumps when somebody sets it
  [[nodiscard]] virtual BootTime boot() const = 0;      // goes on while the machine sleeps
  [[nodiscard]] virtual std::unique_ptr<Alarm> make_alarm() = 0;

  [[nodiscard]] Moment now() const {
    return {.boot = boot(), .wall = wall()};
  }
};

class SystemClock final : public Clock {
 public:
  explicit SystemClock(asio::io_context& io) : io_(io) {}
  [[nodiscard]] SteadyTime steady() const override;
  [[nodiscard]] WallTime wall() const override;
  [[nodiscard]] BootTime boot() const override;
  [[nodiscard]] std::unique_ptr<Alarm> make_alarm() override;

 private:
  asio::io_context& io_;
};

}  // namespace msi2imds
