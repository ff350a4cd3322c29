// SPDX-License-Identifier: MIT
#include "migration/established.hpp"

#include <algorithm>

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

Established describe(const netlink::TcpSocket& server, const std::vector<netlink::TcpSocket>& all) {
  Established found{.client = server.remote, .pid = 0, .program = {}};
  const auto client = std::ranges::find_if(all, [&server](const netlink::TcpSocket& socket) {
    return socket.local == server.remote && socket.remote == server.local;
  });
  if (client == all.end() || client->socket.inode == 0) {
    return found;
  }
  const auto holders = resolver::find_holders(kProc, {client->socket.inode});
  if (holders.empty()) {
    return found;
  }
  found.pid = holders.begin()->second.front();
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
    if (is_extensions(socket, processes)) {
      found.push_back(describe(socket, *all));
    }
  }
  return found;
}

}  // namespace msi2imds::migration
