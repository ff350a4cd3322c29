// SPDX-License-Identifier: MIT
#include "caller/dialler.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <iterator>

#include "abi.h"

namespace msi2imds::caller {

static_assert(kMostKnownGroups == MAX_GROUPS);

SocketAddress address_of(const dialled& what) {
  return SocketAddress::from_network(what.is_ipv6 != 0 ? AF_INET6 : AF_INET, &what.address, what.port);
}

Clues clues_of(const dialler& who) {
  Clues clues;
  clues.cookie = who.cookie;
  clues.pid = static_cast<std::int32_t>(who.pid);
  clues.has_uid = true;
  const bool shows_task = who.started != 0;
  clues.uid = shows_task ? who.acting_uid : who.uid;
  clues.gid = shows_task ? who.acting_gid : who.gid;
  clues.started = static_cast<std::int64_t>(who.started);
  clues.program_inode = who.program_inode;
  clues.program_device = who.program_device;
  clues.group_count = who.group_count;
  std::copy_n(std::begin(who.groups), clues.groups.size(), clues.groups.begin());
  std::copy_n(std::begin(who.comm), std::min(clues.comm.size() - 1, sizeof who.comm), clues.comm.begin());
  clues.has_cgroup_id = true;
  clues.cgroup_id = who.cgroup_id;
  clues.dialled_at = static_cast<std::int64_t>(who.since_boot);
  return clues;
}

}  // namespace msi2imds::caller
