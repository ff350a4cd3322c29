// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>
#include <memory>

#include "base/clock.hpp"

namespace msi2imds::broker {

class FakeAlarm;

// Time that only a test moves.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(asio::io_context& io) : io_(io) {}

  [[nodiscard]] SteadyTime steady() const override {
    return steady_;
  }
  [[nodiscard]] WallTime wall() const override {
    return wall_;
  }
  [[nodiscard]] BootTime boot() const override {
    return boot_;
  }
  [[nodiscard]] std::unique_ptr<Alarm> make_alarm() override;

  // Goes from alarm to alarm; at each all coroutines run as far as they can.
  void advance(std::chrono::nanoseconds duration);

  // Lets all coroutines run as far as they can without time going by.
  void settle();

  // The jump of a clock that somebody sets.
  void set_wall(WallTime wall) {
    wall_ = wall;
  }
  void set_uptime(std::chrono::seconds uptime) {
    boot_ = BootTime(uptime);
  }

  // A wait until then ends in an exception.
  void fail_wait_until(SteadyTime time) {
    failing_ = time;
  }

  // The machine is suspended: no alarm rings meanwhile, and the steady clock stands still.
  void sleep(std::chrono::nanoseconds duration) {
    boot_ += duration;
    wall_ += duration;
  }

 private:
  friend class FakeAlarm;
  using Due = std::multimap<SteadyTime, FakeAlarm*>;

  void move_to(SteadyTime time);

  asio::io_context& io_;
  SteadyTime steady_{std::chrono::hours(1)};
  WallTime wall_{std::chrono::seconds(1'800'000'000)};
  BootTime boot_{std::chrono::hours(1)};
  SteadyTime failing_;
  std::shared_ptr<Due> due_ = std::make_shared<Due>();  // coroutines of the io_context may outlive the clock
};

}  // namespace msi2imds::broker
