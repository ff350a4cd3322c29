// SPDX-License-Identifier: MIT
#include "caller/caller.hpp"

#include <netinet/tcp.h>

#include <utility>

namespace msi2imds::caller {
namespace {

// A client may have sent its FIN; ours is not sent yet, which rules out the states after it. A SYN_SENT would
// be a later socket that took over a finished client's port.
bool is_connected(int state) {
  return state == TCP_ESTABLISHED || state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2;
}

Caller unknown(std::string reason) {
  Caller caller;
  caller.unknown_because = std::move(reason);
  return caller;
}

}  // namespace

Clues clues_of(const netlink::ClientSocket& socket) {
  Clues clues;
  clues.cookie = socket.cookie;
  clues.inode = socket.inode;
  clues.has_uid = true;
  clues.uid = socket.uid;
  clues.has_cgroup_id = socket.cgroup_id.has_value();
  clues.cgroup_id = socket.cgroup_id.value_or(0);
  return clues;
}

bool are_of_one_caller(const Clues& earlier, const Clues& later) {
  if (later.pid == 0 || later.pid != earlier.pid || later.is_fresh) {
    return false;
  }
  Clues same = earlier;
  same.dialled_at = later.dialled_at;
  same.inode = later.inode;
  same.cookie = later.cookie;
  return same == later;
}

Caller identify(netlink::SockDiag& sock_diag, const SocketAddress& client, const SocketAddress& dialled) {
  const auto socket = sock_diag.find(client, dialled);
  if (!socket) {
    return unknown(socket.error().message());
  }
  if (socket->inode == 0) {
    Caller caller = unknown("the client has closed its socket");
    caller.clues.cookie = socket->cookie;
    return caller;
  }
  if (!is_connected(socket->state)) {
    return unknown("the client's socket is not connected (TCP state " + std::to_string(socket->state) + ")");
  }

  Caller caller;
  caller.clues = clues_of(*socket);
  return caller;
}

}  // namespace msi2imds::caller
