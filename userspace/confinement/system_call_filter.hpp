// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>

#include "base/error.hpp"

namespace msi2imds::confinement {

// One argument of a system call: of its bits in `mask` exactly those of `value` are set.
struct Argument {
  unsigned index = 0;
  std::uint64_t value = 0;
  std::uint64_t mask = ~std::uint64_t{0};
};

// For arguments that the kernel takes as 32 bits: whatever else the register holds does not count.
[[nodiscard]] constexpr Argument is_int(unsigned index, std::uint32_t value) {
  return {.index = index, .value = value, .mask = 0xffff'ffff};
}
[[nodiscard]] constexpr Argument has_no_int_bits_but(unsigned index, std::uint32_t allowed) {
  return {.index = index, .value = 0, .mask = 0xffff'ffff & ~std::uint64_t{allowed}};
}
[[nodiscard]] constexpr Argument has_no_bits(unsigned index, std::uint64_t forbidden) {
  return {.index = index, .value = 0, .mask = forbidden};
}
[[nodiscard]] constexpr Argument has_bits(unsigned index, std::uint64_t wanted) {
  return {.index = index, .value = wanted, .mask = wanted};
}

// What a process may still ask of the kernel: all that is not allowed here fails with EPERM. Calls are those
// of <sys/syscall.h> by SCMP_SYS(); one that the C library knows and this kernel does not is harmless.
class SystemCallFilter {
 public:
  SystemCallFilter();
  ~SystemCallFilter();
  SystemCallFilter(const SystemCallFilter&) = delete;
  SystemCallFilter& operator=(const SystemCallFilter&) = delete;

  void allow(std::initializer_list<int> calls);

  // Where all of the arguments are so; called again for the same call, where any of the lists fits. One list
  // names an argument once.
  void allow_if(int call, std::initializer_list<Argument> arguments);

  // Puts it in force, for good, for this thread and all that it starts. False: this kernel has no filters of
  // system calls. Fails where it has them and the filter could not be made or put in force.
  [[nodiscard]] Result<bool> enforce();

 private:
  struct Deleter {
    void operator()(void* filter) const noexcept;
  };
  std::unique_ptr<void, Deleter> filter_;
  int err_ = 0;  // the first that went wrong
};

}  // namespace msi2imds::confinement
