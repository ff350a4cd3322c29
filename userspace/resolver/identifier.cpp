// SPDX-License-Identifier: MIT
#include "resolver/identifier.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include "resolver/process.hpp"
#include "resolver/unit.hpp"

namespace msi2imds::resolver {
namespace {

constexpr std::size_t kMostHolders = 16;  // that are looked at

// "/user.slice/user-1000.slice/...": 1000.
std::optional<std::uint32_t> owner_of_slice(std::string_view cgroup) {
  constexpr std::string_view kPrefix = "/user.slice/user-";
  if (!cgroup.starts_with(kPrefix)) {
    return std::nullopt;
  }
  cgroup.remove_prefix(kPrefix.size());
  const std::string_view name = cgroup.substr(0, cgroup.find('/'));
  std::uint32_t uid = 0;
  const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), uid);
  const bool is_slice = ec == std::errc() && std::string_view(end, name.data() + name.size()) == ".slice";
  return is_slice ? std::optional(uid) : std::nullopt;
}

void take(caller::Identity& identity, const Process& process) {
  identity.program = process.program;
  identity.program_is_verified = process.program_is_verified;
  if (!process.gids.empty()) {
    identity.gids = process.gids;
  }
}

std::string name_list(const std::vector<pid_t>& pids) {
  std::string text;
  for (const pid_t pid : pids) {
    if (text.size() > 60) {
      return text + " ...";
    }
    text += (text.empty() ? "" : ", ") + std::to_string(pid);
  }
  return text;
}

}  // namespace

caller::Identity known_from(const caller::Clues& question, UserNames& users) {
  caller::Identity identity;
  identity.uid = question.known_uid();
  if (identity.uid) {
    identity.user = users.find(*identity.uid);
  }
  if (question.pid != 0) {
    identity.pid = question.pid;
    identity.gids = {question.gid};
    const auto* const end = std::ranges::find(question.comm, '\0');
    identity.comm = std::string(question.comm.begin(), end);
  }
  return identity;
}

Group Identifier::group_of(const caller::Clues& question) {
  constexpr Group kSlice = Group{1} << 32;
  constexpr Group kUnknown = Group{2} << 32;
  const auto path = question.has_cgroup_id ? cgroup_paths_.find(question.cgroup_id) : std::nullopt;
  if (const auto owner = owner_of_slice(path.value_or(""))) {
    return kSlice + *owner;
  }
  return question.has_uid ? Group{question.uid} : kUnknown;
}

Found Identifier::identify(const caller::Clues& question, const std::optional<Holders>& holders) {
  Found found{.identity = known_from(question, users_), .started = 0};
  if (question.pid != 0) {
    describe_dialler(found, question);
  } else if (question.inode != 0) {
    if (holders) {
      describe_holder(found, question.inode, *holders);
    } else {
      found.identity.unknown_because =
          "too many callers at once: the search for processes has used up its share of the processor";
    }
  } else {
    found.identity.unknown_because = "the client has closed its socket";
  }
  caller::Identity& identity = found.identity;
  // The socket's own cgroup; a process may have been moved since.
  if (auto path = question.has_cgroup_id ? cgroup_paths_.find(question.cgroup_id) : std::nullopt) {
    identity.cgroup = std::move(*path);
  }
  identity.unit = unit_of(identity.cgroup);
  identity.container = container_of(identity.cgroup);
  identity.container_is_verified = container_is_verified(identity.cgroup);
  return found;
}

void Identifier::describe_dialler(Found& found, const caller::Clues& question) {
  const auto process = read_process(proc_, question.pid);
  // The number may belong to somebody else by now: to a process that began after the call. Its start is known
  // in ticks, rounded down, and numbers are not used again within one.
  if (!process || process->incarnation.started > std::chrono::nanoseconds(question.dialled_at)) {
    found.identity.unknown_because = "process " + std::to_string(question.pid) + " has ended";
    return;
  }
  take(found.identity, *process);
  found.program_file = process->program_file;
  found.identity.cgroup = process->cgroup;
  found.started = std::max<std::int64_t>(process->incarnation.started.count(), 1);
}

void Identifier::describe_holder(Found& found, ino_t inode, const Holders& holders) {
  caller::Identity& identity = found.identity;
  const auto of_socket = holders.find(inode);
  std::vector<Process> processes;
  if (of_socket != holders.end()) {
    for (const Holder& holder : of_socket->second) {
      if (processes.size() == kMostHolders) {
        break;
      }
      auto process = read_process(proc_, holder.pid);
      if (process && holds(proc_, holder, inode)) {  // still: the number may have changed hands meanwhile
        processes.push_back(std::move(*process));
      }
    }
  }
  if (processes.empty()) {
    identity.unknown_because = "no process has the client's socket open any more";
    return;
  }
  const Process& first = processes.front();
  const std::size_t count = processes.size() == kMostHolders ? of_socket->second.size() : processes.size();
  const bool are_alike =
      count == processes.size() && std::ranges::all_of(processes, [&first](const Process& other) {
        return other.program == first.program && other.cgroup == first.cgroup &&
               other.program_is_verified == first.program_is_verified;
      });
  if (count == 1) {
    identity.pid = first.pid;
    identity.comm = first.comm;
    take(identity, first);
    found.program_file = first.program_file;
    identity.cgroup = first.cgroup;
    return;
  }
  std::vector<pid_t> pids;
  pids.reserve(processes.size());
  for (const Process& process : processes) {
    pids.push_back(process.pid);
  }
  identity.unknown_because = "held by " + std::to_string(count) + " processes: " + name_list(pids);
  if (are_alike) {
    identity.program = first.program;
    identity.program_is_verified = first.program_is_verified;
    identity.cgroup = first.cgroup;
  }
}

}  // namespace msi2imds::resolver
