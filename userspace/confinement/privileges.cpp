// SPDX-License-Identifier: MIT
#include "confinement/privileges.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

namespace msi2imds::confinement {
namespace {

constexpr int kMostCapabilities = 64;

using Data = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

std::uint64_t mask_of(std::initializer_list<int> capabilities) {
  std::uint64_t mask = 0;
  for (const int capability : capabilities) {
    mask |= std::uint64_t{1} << capability;
  }
  return mask;
}

__user_cap_header_struct own_header() {
  return {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
}

}  // namespace

Result<void> forbid_new_privileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Error::from_errno(errno, "set no_new_privs");
  }
  return {};
}

void bound_capabilities(std::initializer_list<int> kept) {
  for (int capability = 0; capability < kMostCapabilities; ++capability) {
    if (std::find(kept.begin(), kept.end(), capability) == kept.end()) {
      // Fails for those that the kernel does not know, and without CAP_SETPCAP: then no_new_privs has to do.
      (void)::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
  }
}

Result<void> keep_only_capabilities(std::initializer_list<int> kept) {
  __user_cap_header_struct header = own_header();
  Data data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) {
    return Error::from_errno(errno, "read the capabilities");
  }
  const std::uint64_t mask = mask_of(kept);
  for (std::size_t i = 0; i < data.size(); ++i) {
    data.at(i).permitted &= static_cast<std::uint32_t>(mask >> (32 * i));
    data.at(i).effective = data.at(i).permitted;
    data.at(i).inheritable = 0;
  }
  if (::syscall(SYS_capset, &header, data.data()) != 0) {
    return Error::from_errno(errno, "give up capabilities");
  }
  return {};
}

Result<void> become_user(uid_t uid, gid_t gid, std::initializer_list<int> kept) {
  // Leaving root would otherwise cost them all.
  if (kept.size() > 0 && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) {
    return Error::from_errno(errno, "keep capabilities");
  }
  if (::setgroups(0, nullptr) != 0 || ::setresgid(gid, gid, gid) != 0) {
    return Error::from_errno(errno, "change group");
  }
  if (::setresuid(uid, uid, uid) != 0) {
    return Error::from_errno(errno, "change user");
  }
  return keep_only_capabilities(kept);
}

}  // namespace msi2imds::confinement
