// SPDX-License-Identifier: MIT
// Everything that C++ code gives back is wiped: tokens pass through buffers of libraries (HTTP parser, JSON)
// and through strings that grow, and none of these copies may outlive its use.
#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace {

void* allocate(std::size_t bytes) {
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

void wipe_and_free(void* memory) noexcept {
  if (memory != nullptr) {
    ::explicit_bzero(memory, ::malloc_usable_size(memory));
    std::free(memory);
  }
}

}  // namespace

void* operator new(std::size_t bytes) {
  return allocate(bytes);
}

void* operator new[](std::size_t bytes) {
  return allocate(bytes);
}

void operator delete(void* memory) noexcept {
  wipe_and_free(memory);
}

void operator delete[](void* memory) noexcept {
  wipe_and_free(memory);
}

void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
  wipe_and_free(memory);
}

void operator delete[](void* memory, std::size_t /*bytes*/) noexcept {
  wipe_and_free(memory);
}
