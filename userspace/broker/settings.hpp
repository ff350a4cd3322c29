// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>

namespace msi2imds::broker {

struct Settings {
  bool cache = true;
  std::chrono::seconds expiry_margin{300};  // a token with less left than that is replaced
  std::chrono::seconds max_age{3600};       // an older one is, too, if IMDS can answer
  std::size_t max_bytes = 16UL * 1024 * 1024;
  bool survive_restart = true;  // tokens outlast this process, where there is memory for that
  unsigned max_rate = 20;       // requests to IMDS in any second (documented limit of a VM)
  unsigned max_in_flight = 5;
  std::chrono::seconds deadline{75};     // IMDS may be away for 70 s
  std::chrono::seconds boot_grace{300};  // a fresh VM's identities may not be assigned yet
};

}  // namespace msi2imds::broker
