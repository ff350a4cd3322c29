// SPDX-License-Identifier: MIT
#include "unit/broker/fake_clock.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <new>

namespace msi2imds::broker {

class FakeAlarm final : public Alarm {
 public:
  explicit FakeAlarm(FakeClock& clock)
      : clock_(clock), due_(clock.due_), timer_(clock.io_), place_(due_->end()) {}
  FakeAlarm(const FakeAlarm&) = delete;
  FakeAlarm& operator=(const FakeAlarm&) = delete;
  ~FakeAlarm() override {
    forget();
  }

  asio::awaitable<void> wait_until(SteadyTime time) override {
    if (time == clock_.failing_) {
      throw std::bad_alloc();
    }
    if (time <= clock_.steady()) {
      co_await asio::post(clock_.io_, asio::use_awaitable);
      co_return;
    }
    timer_.expires_at(SteadyTime::max());
    if (time != SteadyTime::max()) {
      place_ = due_->emplace(time, this);
    }
    (void)co_await timer_.async_wait(kAsTuple);
    forget();
  }
  void ring() override {
    timer_.cancel();
  }
  void forget() {
    if (place_ != due_->end()) {
      due_->erase(place_);
      place_ = due_->end();
    }
  }

 private:
  FakeClock& clock_;
  std::shared_ptr<FakeClock::Due> due_;
  asio::steady_timer timer_;
  FakeClock::Due::iterator place_;
};

std::unique_ptr<Alarm> FakeClock::make_alarm() {
  return std::make_unique<FakeAlarm>(*this);
}

void FakeClock::advance(std::chrono::nanoseconds duration) {
  const SteadyTime end = steady_ + duration;
  settle();
  while (!due_->empty() && due_->begin()->first <= end) {
    FakeAlarm* alarm = due_->begin()->second;
    move_to(std::max(steady_, due_->begin()->first));
    alarm->forget();
    alarm->ring();
    settle();
  }
  move_to(end);
}

void FakeClock::settle() {
  io_.restart();
  io_.poll();
}

void FakeClock::move_to(SteadyTime time) {
  wall_ += time - steady_;
  boot_ += time - steady_;
  steady_ = time;
}

}  // namespace msi2imds::broker
