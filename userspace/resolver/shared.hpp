// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <memory>
#include <new>
#include <type_traits>

#include "base/error.hpp"

namespace msi2imds::resolver {

template <typename T>
struct Unmap {
  static_assert(std::is_trivially_destructible_v<T>);
  void operator()(T* object) const noexcept {
    (void)::munmap(object, sizeof(T));
  }
};

// In memory that children of this process share.
template <typename T>
using Shared = std::unique_ptr<T, Unmap<T>>;

template <typename T>
[[nodiscard]] Result<Shared<T>> make_shared_with_children() {
  void* const memory = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return Error::from_errno(errno, "share memory with the reader of /proc");
  }
  return Shared<T>(new (memory) T());
}

}  // namespace msi2imds::resolver
