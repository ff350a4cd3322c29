// SPDX-License-Identifier: MIT
// old_syscalls KERNEL COMMAND [ARGUMENT...]: runs the command as if this were an older kernel: the system
// calls that came later, and bpf(2) in any case, fail with ENOSYS. The process stays the same. Needs root.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <string_view>

namespace {

struct Kernel {
  std::string_view version;
  std::uint32_t last_call;
};

constexpr std::array kKernels = {Kernel{"3.10", SYS_finit_module}, Kernel{"4.4", SYS_mlock2}};

constexpr int kUsage = 2;
constexpr int kCannotExecute = 127;

constexpr sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}

constexpr sock_filter answer(std::uint32_t action) {
  return BPF_STMT(BPF_RET | BPF_K, action);
}

// Goes on `skipped` instructions further when the comparison does not hold.
constexpr sock_filter unless(std::uint16_t comparison, std::uint32_t value, std::uint8_t skipped) {
  return BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | BPF_K | comparison), value, 0, skipped);
}

// Stays in force for the whole life of this process, whatever it executes, and its children.
bool forget_calls_after(std::uint32_t last_call) {
  const sock_filter missing = answer(SECCOMP_RET_ERRNO | ENOSYS);
  std::array program = {
      load(offsetof(seccomp_data, arch)),
      unless(BPF_JEQ, AUDIT_ARCH_X86_64,
             4),  // to the last `missing`: 32-bit programs number their calls otherwise
      load(offsetof(seccomp_data, nr)),
      unless(BPF_JEQ, SYS_bpf, 1),
      missing,
      unless(BPF_JGT, last_call, 1),
      missing,
      answer(SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {.len = static_cast<std::uint16_t>(program.size()), .filter = program.data()};
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

int complain(std::string_view what, int err) {
  std::cerr << "old_syscalls: " << what << ": " << std::strerror(err) << '\n';
  return kCannotExecute;
}

}  // namespace

int main(int argc, char** argv) {
  const auto* const kernel = std::find_if(kKernels.begin(), kKernels.end(), [&](const Kernel& known) {
    return argc > 2 && known.version == argv[1];
  });
  if (kernel == kKernels.end()) {
    std::cerr << "usage: old_syscalls 3.10|4.4 COMMAND [ARGUMENT...]\n";
    return kUsage;
  }
  if (!forget_calls_after(kernel->last_call)) {
    return complain("install the filter", errno);
  }
  ::execvp(argv[2], argv + 2);
  return complain(argv[2], errno);
}
