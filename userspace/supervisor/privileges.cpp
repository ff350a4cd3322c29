// SPDX-License-Identifier: MIT
#include "supervisor/privileges.hpp"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>

namespace msi2imds::supervisor {
namespace {

using confinement::set_of;

struct Known {
  int number;
  const char* name;
};

// What each is kept for is in docs/units.md.
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
constexpr Known kSysAdmin{CAP_SYS_ADMIN, "CAP_SYS_ADMIN"};

// None of them is among the kept ones.
constexpr Capabilities kOthersFiles = set_of({CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER});

constexpr Capabilities kBpf = set_of({CAP_BPF, CAP_PERFMON});

// All of this needs CAP_SETPCAP. Without it nothing can be done here, nor need it be: no_new_privs keeps
// executed files from bringing capabilities beyond the kept ones.
void close_other_ways(Capabilities kept) {
  confinement::bound_capabilities(kept);
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const int bits = ::prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  (void)::prctl(PR_SET_SECUREBITS,
                static_cast<unsigned>(bits) | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                    SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
                0, 0, 0);
}

std::string name_of(int number) {
  if (number == kSysAdmin.number) {
    return kSysAdmin.name;
  }
  const auto* const known =
      std::find_if(kKept.begin(), kKept.end(), [number](const Known& kept) { return kept.number == number; });
  return known == kKept.end() ? "capability " + std::to_string(number) : known->name;
}

}  // namespace

Capabilities needed_of(Capabilities held, bool enters_networks) {
  Capabilities needed = (held & kBpf) == kBpf && !enters_networks ? 0 : set_of({kSysAdmin.number});
  for (const Known& kept : kKept) {
    needed |= set_of({kept.number});
  }
  return needed & held;
}

std::vector<std::string> names_of(Capabilities capabilities) {
  std::vector<std::string> names;
  for (int number = 0; number < confinement::kMostCapabilities; ++number) {
    if ((capabilities & set_of({number})) != 0) {
      names.push_back(name_of(number));
    }
  }
  return names;
}

Result<void> give_up_others_files() {
  return confinement::keep_only_capabilities(~kOthersFiles);
}

Result<Capabilities> give_up_privileges(bool enters_networks) {
  Result<Capabilities> held = confinement::permitted_capabilities();
  if (!held) {
    return held;
  }
  const Capabilities needed = needed_of(*held, enters_networks);
  close_other_ways(needed_of(*held));
  const Result<void> forbidden = confinement::forbid_new_privileges();
  if (!forbidden) {
    return forbidden.error();
  }
  const Result<void> kept = confinement::keep_only_capabilities(needed);
  if (!kept) {
    return kept.error();
  }
  return needed;
}

}  // namespace msi2imds::supervisor
