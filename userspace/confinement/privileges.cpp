// SPDX-License-Identifier: MIT
#include "confinement/privileges.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace msi2imds::confinement {
namespace {

using Data = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

__user_cap_header_struct own_header() {
  return {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
}

}  // namespace

Result<Capabilities> permitted_capabilities() {
  __user_cap_header_struct header = own_header();
  Data data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) {
    return Error::from_errno(errno, "read the capabilities");
  }
  return data[0].permitted | Capabilities{data[1].permitted} << 32U;
}

Result<void> forbid_new_privileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Error::from_errno(errno, "set no_new_privs");
  }
  return {};
}

void bound_capabilities(Capabilities kept) {
  for (int capability = 0; capability < kMostCapabilities; ++capability) {
    if ((kept & set_of({capability})) == 0) {
      // Fails for those that the kernel does not know, and without CAP_SETPCAP: then no_new_privs has to do.
      (void)::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
  }
}

Result<void> keep_only_capabilities(Capabilities kept) {
  const Result<Capabilities> permitted = permitted_capabilities();
  if (!permitted) {
    return permitted.error();
  }
  const Capabilities left = *permitted & kept;
  __user_cap_header_struct header = own_header();
  Data data{};
  data[0].effective = data[0].permitted = static_cast<std::uint32_t>(left);
  data[1].effective = data[1].permitted = static_cast<std::uint32_t>(left >> 32U);
  if (::syscall(SYS_capset, &header, data.data()) != 0) {
    return Error::from_errno(errno, "give up capabilities");
  }
  return {};
}

Result<void> become_user(uid_t uid, gid_t gid, Capabilities kept) {
  // Leaving root would otherwise cost them all.
  if (kept != 0 && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) {
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
