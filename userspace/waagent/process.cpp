// SPDX-License-Identifier: MIT
#include "waagent/process.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <optional>

#include "base/unique_fd.hpp"
#include "netlink/tcp_sockets.hpp"
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

}  // namespace

std::vector<ExtensionProcess> find_processes(const std::string& proc) {
  std::vector<ExtensionProcess> found;
  const std::vector<pid_t> pids = pids_by_name(proc, kProcessName);
  if (pids.empty()) {
    return found;
  }
  const auto sockets = netlink::listening_sockets();
  for (const pid_t pid : pids) {
    ExtensionProcess process{.pid = pid, .unit = {}, .listens = {}};
    if (sockets) {
      for (const netlink::TcpSocket& socket : *sockets) {
        if (socket.socket.uid == 0 && socket.socket.inode != 0 &&
            resolver::holds(proc, pid, socket.socket.inode)) {
          process.listens.push_back(socket.local);
        }
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
