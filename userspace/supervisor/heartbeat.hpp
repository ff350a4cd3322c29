// SPDX-License-Identifier: MIT
#pragma once

#include "control/channel.hpp"

namespace msi2imds::supervisor {

// Whether a responder still gives signs of life. Silence is counted in our looks at it, one a second, and not
// in time: while the whole machine is paused, this process does not look either.
class Heartbeat {
 public:
  // Something came from the responder.
  void heard() {
    looks_ = 0;
  }

  // One look each second. True: nothing was heard for as many looks as control::kHeartbeatMissed has seconds.
  [[nodiscard]] bool is_missed() {
    return ++looks_ > control::kHeartbeatMissed.count();
  }

 private:
  int looks_ = 0;
};

}  // namespace msi2imds::supervisor
