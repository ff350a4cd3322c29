// SPDX-License-Identifier: MIT
#include "supervisor/privileges.hpp"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace msi2imds::supervisor {
namespace {

struct Known {
  int number;
  const char* name;
};

// What for: docs/units.md.
constexpr std::array kKept = {
    Known{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"},
    Known{CAP_KILL, "CAP_KILL"},
    Known{CAP_SETGID, "CAP_SETGID"},
    Known{CAP_SETUID, "CAP_SETUID"},
    Known{CAP_SETPCAP, "CAP_SETPCAP"},
    Known{CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"},
    Known{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
    Known{CAP_NET_RAW, "CAP_NET_RAW"},
    Known{CAP_SYS_CHROOT, "CAP_SYS_CHROOT"},
    Known{CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
    Known{CAP_PERFMON, "CAP_PERFMON"},
    Known{CAP_BPF, "CAP_BPF"},
};
constexpr Known kForOldKernels{CAP_SYS_ADMIN, "CAP_SYS_ADMIN"};

constexpr Capabilities bit(int number) {
  return Capabilities{1} << static_cast<unsigned>(number);
}

constexpr Capabilities kBpf = bit(CAP_BPF) | bit(CAP_PERFMON);
constexpr int kMostCapabilities = 64;

using Halves = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

// Of all threads: there is one.
Result<Capabilities> permitted() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  Halves halves{};
  if (::syscall(SYS_capget, &header, halves.data()) != 0) {
    return Error::from_errno(errno, "read the capabilities of this process");
  }
  return halves[0].permitted | Capabilities{halves[1].permitted} << 32U;
}

Result<void> keep_only(Capabilities kept) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  Halves halves{};
  halves[0].effective = halves[0].permitted = static_cast<std::uint32_t>(kept);
  halves[1].effective = halves[1].permitted = static_cast<std::uint32_t>(kept >> 32U);
  if (::syscall(SYS_capset, &header, halves.data()) != 0) {
    return Error::from_errno(errno, "give up the capabilities that only the start needed");
  }
  return {};
}

// Without CAP_SETPCAP nothing of this can be done, and without capabilities beyond the kept ones, as
// no_new_privs has it, nothing of it matters. A kernel that does not know one of them refuses it.
void close_other_ways(Capabilities kept) {
  for (int number = 0; number < kMostCapabilities; ++number) {
    if ((kept & bit(number)) == 0) {
      (void)::prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
    }
  }
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const int bits = ::prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  (void)::prctl(PR_SET_SECUREBITS,
                static_cast<unsigned>(bits) | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                    SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
                0, 0, 0);
}

std::string name_of(int number) {
  if (number == kForOldKernels.number) {
    return kForOldKernels.name;
  }
  const auto* const known =
      std::find_if(kKept.begin(), kKept.end(), [number](const Known& kept) { return kept.number == number; });
  return known == kKept.end() ? "capability " + std::to_string(number) : known->name;
}

}  // namespace

Capabilities needed_of(Capabilities held) {
  Capabilities needed = (held & kBpf) == kBpf ? 0 : bit(kForOldKernels.number);
  for (const Known& kept : kKept) {
    needed |= bit(kept.number);
  }
  return needed & held;
}

std::vector<std::string> names_of(Capabilities capabilities) {
  std::vector<std::string> names;
  for (int number = 0; number < kMostCapabilities; ++number) {
    if ((capabilities & bit(number)) != 0) {
      names.push_back(name_of(number));
    }
  }
  return names;
}

Result<Capabilities> give_up_privileges() {
  const Result<Capabilities> held = permitted();
  if (!held) {
    return held;
  }
  const Capabilities kept = needed_of(*held);
  close_other_ways(kept);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Error::from_errno(errno, "set no_new_privs");
  }
  const Result<void> given_up = keep_only(kept);
  if (!given_up) {
    return given_up.error();
  }
  return kept;
}

}  // namespace msi2imds::supervisor
