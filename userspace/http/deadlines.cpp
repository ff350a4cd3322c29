// SPDX-License-Identifier: MIT
#include "http/deadlines.hpp"

namespace msi2imds::http {

Expiring::Expiring(Deadlines& deadlines) {
  deadlines.add(*this);
}

void Deadlines::add(Expiring& entry) {
  entries_.push_back(entry);
  if (!ticking_) {
    ticking_ = true;
    tick();
  }
}

// Stops when there is nothing to watch, so that an idle process sleeps.
void Deadlines::tick() {
  timer_.expires_after(kTick);
  timer_.async_wait([this](boost::system::error_code ec) {
    if (ec) {  // destroyed: touch nothing
      return;
    }
    if (entries_.empty()) {
      ticking_ = false;
      return;
    }
    const auto now = std::chrono::steady_clock::now();
    for (Expiring& entry : entries_) {
      // It cancels an operation; what follows from that runs later. Again at each tick until the entry has
      // another deadline: between two parts of a write there is nothing to cancel.
      if (entry.deadline_ <= now) {
        entry.on_deadline();
      }
    }
    tick();
  });
}

}  // namespace msi2imds::http
