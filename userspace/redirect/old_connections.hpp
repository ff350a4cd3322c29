// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace msi2imds::redirect {

// Connections to the legacy ports that were there before NAT rules came, and that the kernel has not known
// from their beginning on: it may not learn of their end, and does not look at NAT rules when a client's port
// is used again. It is made to forget those that are over, until all of them are.
class OldConnections {
 public:
  // Rules have come: from now on it is worthwhile to look.
  void expect();

  // To be called every second or more often; cheap once all of them have ended, which is waited for ten
  // minutes.
  void forget(const std::vector<std::uint16_t>& legacy_ports);

 private:
  int looks_left_ = 0;
  std::chrono::steady_clock::time_point end_{};
  std::chrono::steady_clock::time_point rest_{};  // no look before that
  std::chrono::steady_clock::time_point next_{};  // nor before that, unless rules have come
};

}  // namespace msi2imds::redirect
