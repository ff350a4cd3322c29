// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.hpp"

namespace msi2imds {

// Memory for tokens: kept out of core dumps, locked into RAM where the limit allows (logged once when it does
// not), and wiped when it is given back.
[[nodiscard]] void* allocate_secret(std::size_t bytes);
void deallocate_secret(void* memory, std::size_t bytes) noexcept;

// Overwrites a text, which is empty then, and keeps its memory.
void wipe(std::string& text) noexcept;

// Leaves mapped memory out of core dumps.
void leave_out_of_dumps(void* memory, std::size_t bytes) noexcept;

// Locks it into RAM where the limit allows; that it does not is logged once.
void lock_into_ram(void* memory, std::size_t bytes) noexcept;

// Overwrites what a file in memory holds between two places with zeros. Holes stay holes.
[[nodiscard]] Result<void> wipe_file(int file, std::uint64_t begin, std::uint64_t end);

template <typename T>
struct SecretAllocator {
  using value_type = T;

  SecretAllocator() = default;
  template <typename U>
  SecretAllocator(const SecretAllocator<U>& /*other*/) noexcept {  // NOLINT(google-explicit-constructor)
  }

  [[nodiscard]] T* allocate(std::size_t count) {
    return static_cast<T*>(allocate_secret(count * sizeof(T)));
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    deallocate_secret(memory, count * sizeof(T));
  }

  friend bool operator==(const SecretAllocator& /*a*/, const SecretAllocator& /*b*/) {
    return true;
  }
};

using SecretString = std::basic_string<char, std::char_traits<char>, SecretAllocator<char>>;

}  // namespace msi2imds
