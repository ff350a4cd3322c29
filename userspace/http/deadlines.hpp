// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>

#include "base/asio.hpp"

namespace msi2imds::http {

class Deadlines;

// Something that is told when its time is up, and told again until it has another deadline.
class Expiring
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  explicit Expiring(Deadlines& deadlines);
  Expiring(const Expiring&) = delete;
  Expiring& operator=(const Expiring&) = delete;

 protected:
  ~Expiring() = default;  // leaves the list, whose Deadlines may be gone already
  void expire_after(std::chrono::steady_clock::duration time) {
    deadline_ = std::chrono::steady_clock::now() + time;
  }
  void never_expire() {
    deadline_ = std::chrono::steady_clock::time_point::max();
  }

 private:
  friend class Deadlines;
  virtual void on_deadline() = 0;

  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
};

// Watches many deadlines with one timer, to within a tick: a timer for each read would cost more than the
// read.
class Deadlines {
 public:
  explicit Deadlines(asio::io_context& io) : timer_(io) {}

 private:
  friend class Expiring;
  void add(Expiring& entry);
  void tick();

  static constexpr std::chrono::milliseconds kTick{200};
  asio::steady_timer timer_;
  bool ticking_ = false;
  boost::intrusive::list<Expiring, boost::intrusive::constant_time_size<false>> entries_;
};

}  // namespace msi2imds::http
