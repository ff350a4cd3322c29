// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace msi2imds::responder {

// While it lives, the first allocation of at least so many bytes fails.
class NoMemoryFor {
 public:
  explicit NoMemoryFor(std::size_t bytes);
  NoMemoryFor(const NoMemoryFor&) = delete;
  NoMemoryFor& operator=(const NoMemoryFor&) = delete;
  ~NoMemoryFor();
};

}  // namespace msi2imds::responder
