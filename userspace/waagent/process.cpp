// SPDX-License-Identifier: MIT
#include "waagent/process.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/unique_fd.hpp"
#include "netlink/tcp_sockets.hpp"
#include "resolver/credentials.hpp"
#include "resolver/holders.hpp"
#include "resolver/process.hpp"
#include "resolver/unit.hpp"
#include "waagent/tree.hpp"

namespace msi2imds::waagent {
namespace {

constexpr std::size_t kMaxComm = 64;

std::vector<pid_t> pids_by_name(const std::string& proc, std::string_view name) {
  const UniqueFd directory(::open(proc.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::vector<pid_t> pids = resolver::list_pids(proc);
  std::erase_if(pids, [&](pid_t pid) {
    const Result<std::string> comm = read_below(directory, std::to_string(pid) + "/comm", kMaxComm);
    return !comm || *comm != std::string(name) + "\n";
  });
  return pids;
}

// Whoever starts a setuid program through a link of that name is not root.
bool is_roots(const std::string& proc, pid_t pid) {
  const auto credentials = resolver::read_credentials(proc, pid);
  return credentials && credentials->uids.front() == 0;
}

// True only if that is known: a container's, or another machine's that is played on this one.
bool is_in_another_namespace(const std::string& proc, pid_t pid) {
  struct stat its {};
  struct stat ours {};
  return ::stat((proc + "/" + std::to_string(pid) + "/ns/net").c_str(), &its) == 0 &&
         ::stat((proc + "/self/ns/net").c_str(), &ours) == 0 &&
         (its.st_dev != ours.st_dev || its.st_ino != ours.st_ino);
}

// By their inodes, those that belong to root. Only root's processes are searched: anybody may call a process
// like the extension, and have a million descriptors open in it.
using Listening = std::map<ino_t, SocketAddress>;

Listening listening_sockets_of_root() {
  Listening found;
  if (const auto sockets = netlink::listening_sockets()) {
    for (const netlink::TcpSocket& socket : *sockets) {
      if (socket.socket.uid == 0 && socket.socket.inode != 0) {
        found.emplace(socket.socket.inode, socket.local);
      }
    }
  }
  return found;
}

resolver::SocketHolders holders_of(const std::string& proc, const Listening& sockets) {
  std::set<ino_t> inodes;
  for (const auto& [inode, address] : sockets) {
    inodes.insert(inode);
  }
  return resolver::find_holders(proc, uid_t{0}, inodes);
}

}  // namespace

std::vector<ExtensionProcess> find_processes(const std::string& proc) {
  std::vector<ExtensionProcess> found;
  std::vector<pid_t> pids = pids_by_name(proc, kProcessName);
  std::erase_if(pids, [&](pid_t pid) { return !is_roots(proc, pid) || is_in_another_namespace(proc, pid); });
  if (pids.empty()) {
    return found;
  }
  const Listening sockets = listening_sockets_of_root();
  const resolver::SocketHolders holders = holders_of(proc, sockets);
  for (const pid_t pid : pids) {
    ExtensionProcess process{.pid = pid, .unit = {}, .listens = {}};
    for (const auto& [inode, of_socket] : holders) {
      if (std::ranges::any_of(of_socket,
                              [pid](const resolver::SocketHolder& holder) { return holder.pid == pid; })) {
        process.listens.push_back(sockets.at(inode));
      }
    }
    if (const auto details = resolver::read_process(proc, pid)) {
      process.unit = resolver::unit_of(details->cgroup);
    }
    found.push_back(std::move(process));
  }
  return found;
}

}  // namespace msi2imds::waagent
