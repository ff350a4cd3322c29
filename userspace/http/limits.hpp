// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>

namespace msi2imds::http {

// What one connection may cost.
struct Limits {
  std::size_t header_bytes = 16UL * 1024;
  std::size_t body_bytes = 64UL * 1024;
  std::chrono::seconds request_time{10};  // from a request's first byte to its last, and to write an answer
  std::chrono::seconds idle_time{60};     // between requests
};

}  // namespace msi2imds::http
