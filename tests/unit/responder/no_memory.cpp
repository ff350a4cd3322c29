// SPDX-License-Identifier: MIT
#include "unit/responder/no_memory.hpp"

#include <cstdlib>
#include <new>

namespace {

// The next allocation of at least so many bytes fails; 0: none does.
std::size_t failing_size = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

}  // namespace

void* operator new(std::size_t bytes) {
  if (failing_size != 0 && bytes >= failing_size) {
    failing_size = 0;
    throw std::bad_alloc();
  }
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

// Its memory goes the same way as all other.
void* operator new(std::size_t bytes, const std::nothrow_t& /*tag*/) noexcept {
  return std::malloc(bytes == 0 ? 1 : bytes);
}

void operator delete(void* memory) noexcept {
  std::free(memory);
}

void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
  std::free(memory);
}

namespace msi2imds::responder {

NoMemoryFor::NoMemoryFor(std::size_t bytes) {
  failing_size = bytes;
}

NoMemoryFor::~NoMemoryFor() {
  failing_size = 0;
}

}  // namespace msi2imds::responder
