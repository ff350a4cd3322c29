// SPDX-License-Identifier: MIT
#include "base/free_memory.hpp"

#include <malloc.h>

#include <cstddef>

namespace msi2imds {
namespace {

constexpr std::size_t kWorthIt = std::size_t{1024} * 1024;

// How much of its memory the allocator keeps for later.
std::size_t free_bytes() {
#if __GLIBC_PREREQ(2, 33)
  return ::mallinfo2().fordblks;
#else
  return static_cast<unsigned>(::mallinfo().fordblks);
#endif
}

}  // namespace

void give_back_free_memory() {
  static std::size_t left = 0;  // after the last time: what was given back counts as free, too
  const std::size_t free = free_bytes();
  if (free < left) {
    left = free;
  }
  if (free - left > kWorthIt) {
    (void)::malloc_trim(0);
    left = free_bytes();
  }
}

}  // namespace msi2imds
