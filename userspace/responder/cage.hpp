// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::responder {

// The user and group that a responder started by root changes to, and the empty directory that becomes its
// root.
struct Destiny {
  uid_t uid = 0;
  gid_t gid = 0;
  UniqueFd root;
};

// What holds it there.
struct Cage {
  bool has_call_filter = false;
  int landlock = 0;  // its version; 0: this kernel has none
  bool has_empty_root = false;
  std::vector<std::string> own_namespaces;
};

// From here on this process can read and write what it was given, accept and wait, and little else: it has no
// paths and no capabilities, makes no sockets, connects nowhere, sends no descriptors, and changes no
// descriptor that others share (docs/ARCHITECTURE.md, "The responder's cage"). Without a destiny it stays who
// and where it is. Fails where anything is refused that this kernel has; where the kernel or those who
// started us cannot, the cage tells.
[[nodiscard]] Result<Cage> enter_cage(std::optional<Destiny> destiny);

}  // namespace msi2imds::responder
