// SPDX-License-Identifier: MIT
#include "caller/agreement.hpp"

namespace msi2imds::caller {
namespace {

// The root of cgroup2. Sockets that were made before cgroups were in use say that they are there, and all do
// on kernels before 5.15 where net_cls or net_prio is in use.
constexpr std::uint64_t kRootCgroup = 1;

Agreement compare(const Clues& socket, const Clues& dialler) {
  if (socket.has_uid && socket.uid != dialler.uid) {
    return Agreement::another_user;
  }
  const bool tells_cgroup = socket.has_cgroup_id && socket.cgroup_id != kRootCgroup;
  return tells_cgroup && socket.cgroup_id != dialler.cgroup_id ? Agreement::another_cgroup
                                                               : Agreement::agreed;
}

}  // namespace

Clues join(const Clues& socket, const Clues& dialler) {
  Clues joined = dialler;
  joined.cookie = socket.cookie;
  joined.inode = socket.inode;
  joined.maker = socket.uid;
  joined.is_fresh = socket.is_fresh;
  joined.agreement = compare(socket, dialler);
  return joined;
}

bool is_in_doubt(Agreement agreement) {
  return agreement != Agreement::agreed && agreement != Agreement::unchecked;
}

std::string describe(const Clues& clues) {
  switch (clues.agreement) {
    case Agreement::unchecked:
    case Agreement::agreed:
      return "";
    case Agreement::unseen:
      return "unseen: nobody saw who connected the socket, and no process of its user is known to hold it";
    case Agreement::another_user:
      return "another-user: uid " + std::to_string(clues.uid) + " connected a socket that uid " +
             std::to_string(clues.maker) + " had made";
    case Agreement::another_socket:
      return "another-socket: NAT had given the client another port";
    case Agreement::another_cgroup:
      return "another-cgroup: the socket was made in another cgroup than it was connected in";
  }
  return "";
}

}  // namespace msi2imds::caller
