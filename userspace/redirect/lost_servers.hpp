// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <vector>

namespace msi2imds::redirect {

// While somebody has removed all NAT rules, the kernel translates nothing: an answer of ours reaches nobody
// and is refused, which ends the connection at our side, and its client would wait for the answer for ever.
class LostServers {
 public:
  // Rules were missing: from now on it is worthwhile to look.
  void expect() {
    looks_left_ = kLooks;
  }

  // Ends the connections of clients who wait for nobody, once they were seen twice, a second apart. To be
  // called every second or more often; cheap where nothing was expected. Kernels that cannot end somebody
  // else's connection leave them be.
  void end_waiting(const std::vector<std::uint16_t>& ports, std::uint16_t listen_port);

 private:
  static constexpr int kLooks = 5;

  int looks_left_ = 0;
  std::chrono::steady_clock::time_point next_{};  // no look before that
  std::set<std::uint64_t> seen_;                  // by the sockets' cookies
};

}  // namespace msi2imds::redirect
