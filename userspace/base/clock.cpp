// SPDX-License-Identifier: MIT
#include "base/clock.hpp"

#include <boost/asio/steady_timer.hpp>
#include <ctime>

namespace msi2imds {
namespace {

class SystemAlarm final : public Alarm {
 public:
  explicit SystemAlarm(asio::io_context& io) : timer_(io) {}
  asio::awaitable<void> wait_until(SteadyTime time) override {
    timer_.expires_at(time);
    (void)co_await timer_.async_wait(kAsTuple);  // on time or cut short: the caller looks at what happened
  }
  void ring() override {
    timer_.cancel();
  }

 private:
  asio::steady_timer timer_;
};

}  // namespace

BootTime BootClock::now() noexcept {
  timespec since_boot{};
  (void)::clock_gettime(CLOCK_BOOTTIME, &since_boot);  // cannot fail: Linux 2.6.39
  return BootTime(std::chrono::seconds(since_boot.tv_sec) + std::chrono::nanoseconds(since_boot.tv_nsec));
}

SteadyTime SystemClock::steady() const {
  return std::chrono::steady_clock::now();
}

WallTime SystemClock::wall() const {
  return std::chrono::system_clock::now();
}

BootTime SystemClock::boot() const {
  return BootClock::now();
}

std::unique_ptr<Alarm> SystemClock::make_alarm() {
  return std::make_unique<SystemAlarm>(io_);
}

}  // namespace msi2imds
