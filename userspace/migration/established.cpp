// SPDX-License-Identifier: MIT
#include "migration/established.hpp"

#include <netinet/tcp.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "netlink/tcp_sockets.hpp"
#include "resolver/holders.hpp"
#include "resolver/process.hpp"

namespace msi2imds::migration {
namespace {

constexpr const char* kProc = "/proc";

bool is_extensions(const netlink::TcpSocket& socket,
                   const std::vector<waagent::ExtensionProcess>& processes) {
  return socket.socket.inode != 0 && std::ranges::any_of(processes, [&](const auto& process) {
           return std::ranges::any_of(
                      process.listens,
                      [&](const SocketAddress& at) { return at.port() == socket.local.port(); }) &&
                  resolver::holds(kProc, process.pid, socket.socket.inode);
         });
}

// 0: no process holds it, or it is not of this namespace.
std::uint64_t inode_of_client(const netlink::TcpSocket& server, const std::vector<netlink::TcpSocket>& all) {
  const auto client = std::ranges::find_if(all, [&server](const netlink::TcpSocket& socket) {
    return socket.local == server.remote && socket.remote == server.local;
  });
  return client == all.end() ? 0 : client->socket.inode;
}

// A server that has not closed its end yet, of a connection that its client has given up. A client that only
// said that it has sent all still holds its socket.
bool is_left_by_client(const netlink::TcpSocket& server, std::uint64_t client_inode) {
  return server.socket.state == TCP_CLOSE_WAIT && client_inode == 0;
}

Established describe(const netlink::TcpSocket& server, std::uint64_t client_inode) {
  Established found{.client = server.remote, .pid = 0, .program = {}};
  if (client_inode == 0) {
    return found;
  }
  const auto holders = resolver::find_holders(kProc, std::nullopt, {client_inode});
  if (holders.empty()) {
    return found;
  }
  found.pid = holders.begin()->second.front().pid;
  if (const auto process = resolver::read_process(kProc, found.pid)) {
    found.program = process->program.empty() ? process->comm : process->program;
  }
  return found;
}

}  // namespace

Result<std::vector<Established>> connections_to_extension(
    const std::vector<waagent::ExtensionProcess>& processes) {
  const auto all = netlink::connected_sockets();
  if (!all) {
    return all.error();
  }
  std::vector<Established> found;
  for (const netlink::TcpSocket& socket : *all) {
    if (!is_extensions(socket, processes)) {
      continue;
    }
    const std::uint64_t client_inode = inode_of_client(socket, *all);
    if (!is_left_by_client(socket, client_inode)) {
      found.push_back(describe(socket, client_inode));
    }
  }
  return found;
}

}  // namespace msi2imds::migration
