// SPDX-License-Identifier: MIT
#include "supervisor/proxy_agent.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>
#include <vector>

#include "netlink/tcp_sockets.hpp"
#include "resolver/process.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr std::uint16_t kAgentPort = 3080;
// The kernel cuts names of processes to 15 characters.
constexpr std::array<std::string_view, 2> kAgentNames = {"azure-proxy-age", "GuestProxyAgent"};

// Anybody may call a process by that name; root's alone count.
bool is_agent(const std::string& directory) {
  struct stat found {};
  std::string comm;
  return ::stat(directory.c_str(), &found) == 0 && found.st_uid == 0 &&
         std::getline(std::ifstream(directory + "/comm"), comm) &&
         std::ranges::find(kAgentNames, comm) != kAgentNames.end();
}

}  // namespace

// Processes are looked at only where root listens on the agent's port.
std::optional<SocketAddress> find_proxy_agent(const std::string& proc) {
  const SocketAddress address = SocketAddress::ipv4_loopback(kAgentPort);
  const auto sockets = netlink::listening_sockets();
  const bool is_listened_on = sockets && std::ranges::any_of(*sockets, [&](const netlink::TcpSocket& socket) {
                                return socket.local == address && socket.socket.uid == 0;
                              });
  if (!is_listened_on) {
    return std::nullopt;
  }
  const std::vector<pid_t> pids = resolver::list_pids(proc);
  const bool runs =
      std::ranges::any_of(pids, [&](pid_t pid) { return is_agent(proc + "/" + std::to_string(pid)); });
  return runs ? std::optional(address) : std::nullopt;
}

}  // namespace msi2imds::supervisor
