// SPDX-License-Identifier: MIT
#include "resolver/identifier.hpp"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "caller/agreement.hpp"
#include "resolver/credentials.hpp"
#include "resolver/executable.hpp"
#include "resolver/process.hpp"
#include "resolver/unit.hpp"

namespace msi2imds::resolver {
namespace {

constexpr std::size_t kMostHolders = 16;  // that are looked at

// "/user.slice/user-1000.slice/...": 1000.
std::optional<std::uint32_t> owner_of_slice(std::string_view cgroup) {
  constexpr std::string_view kPrefix = "/user.slice/user-";
  constexpr std::string_view kSuffix = ".slice";
  if (!cgroup.starts_with(kPrefix)) {
    return std::nullopt;
  }
  cgroup.remove_prefix(kPrefix.size());
  std::string_view name = cgroup.substr(0, cgroup.find('/'));
  if (!name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  name.remove_suffix(kSuffix.size());
  return parse_number<std::uint32_t>(name);
}

void take_program(Found& found, const Process& process) {
  found.identity.program = process.program;
  found.identity.program_is_verified = process.program_is_verified;
  found.program_file = process.program_file;
}

// Its start as the kernel keeps it; /proc tells it in ticks, rounded down.
bool began_at(const Process& process, std::int64_t started) {
  const auto ticks_per_second = ::sysconf(_SC_CLK_TCK);
  const std::int64_t tick = 1'000'000'000 / ticks_per_second;
  return process.incarnation.started.count() == started / tick * tick;
}

// Another process may have the number by now; then it began after the connect(). The kernel does not give a
// number to two processes within a tick.
bool is_dialler(const Process& process, const caller::Clues& question) {
  return process.incarnation.started <= std::chrono::nanoseconds(question.dialled_at) &&
         (question.started == 0 || began_at(process, question.started));
}

// A program that is verified is compared by its path: whatever the process becomes meanwhile, the path has to
// name the file that dialled.
bool is_program_that_dialled(const std::string& proc, const Process& process, const caller::Clues& question) {
  if (process.program_file.inode != question.program_inode) {
    return false;
  }
  const KernelFile dialled{.inode = question.program_inode, .device = question.program_device};
  const std::string directory = proc + "/" + std::to_string(process.pid);
  return process.program_is_verified ? is_file(process.root + process.program, dialled,
                                               proc + (process.root.empty() ? "/self" : "/1") + "/mountinfo")
                                     : is_file(directory + "/exe", dialled, directory + "/mountinfo");
}

std::string cannot_look_at(pid_t pid, const Error& error) {
  return "process " + std::to_string(pid) + " could not be looked at: " + error.message();
}

constexpr std::string_view kAnotherProgram =
    "another-program: the process runs another program than when it dialled";
constexpr std::string_view kElsewhere =
    "another-cgroup: the process is in another cgroup than its socket was made in";
constexpr std::string_view kChangedUser =
    "changed-user: the process acts as another user or group than when it dialled, or may do so";

template <typename Processes>
std::string name_list(const Processes& holders) {
  std::string text;
  for (const auto& holder : holders) {
    if (text.size() > 60) {
      return text + " ...";
    }
    text += (text.empty() ? "" : ", ") + std::to_string(holder.process.pid);
  }
  return text;
}

template <typename Processes>
bool are_in_one_cgroup(const Processes& holders) {
  const Process& first = holders.front().process;
  return std::ranges::all_of(holders,
                             [&first](const auto& holder) { return holder.process.cgroup == first.cgroup; });
}

template <typename Processes>
bool run_one_program(const Processes& holders) {
  const Process& first = holders.front().process;
  return std::ranges::all_of(holders, [&first](const auto& holder) {
    return holder.process.program == first.program &&
           holder.process.program_is_verified == first.program_is_verified;
  });
}

// Where the socket tells of no cgroup, that of its holders counts; empty: they have several. True: the
// socket's is another one, so that nobody knows from where the holder dialled, unless that was seen.
bool settle_cgroup(caller::Identity& identity, const std::string& of_holders, bool was_seen) {
  const bool has_cgroup = !identity.cgroup.empty() && identity.cgroup != "/";
  const bool is_elsewhere = has_cgroup && !was_seen && identity.cgroup != of_holders;
  if (is_elsewhere) {
    identity.cgroup.clear();
  } else if (!has_cgroup) {
    identity.cgroup = of_holders;
  }
  return is_elsewhere;
}

}  // namespace

caller::Identity known_from(const caller::Clues& question, UserNames& users) {
  caller::Identity identity;
  identity.uid = question.known_uid();
  if (identity.uid) {
    identity.user = users.find(*identity.uid);
  }
  identity.is_in_doubt = caller::is_in_doubt(question.agreement);
  identity.unknown_because = caller::describe(question);
  if (question.pid != 0 || question.started != 0) {
    identity.gids = {question.gid};
    const std::size_t groups = question.started == 0 ? 0 : question.group_count;
    identity.gids.insert(identity.gids.end(), question.groups.begin(),
                         question.groups.begin() + std::min(groups, question.groups.size()));
  }
  if (question.pid != 0) {
    identity.pid = question.pid;
    const auto* const end = std::ranges::find(question.comm, '\0');
    identity.comm = std::string(question.comm.begin(), end);
  }
  return identity;
}

Group Identifier::group_of(const caller::Clues& question) {
  const auto path = question.has_cgroup_id ? cgroup_paths_.find(question.cgroup_id) : std::nullopt;
  const auto owner_of_its_slice = owner_of_slice(path.value_or(""));
  const auto uid = question.has_uid ? std::optional(question.uid) : std::nullopt;
  return owners_.of(owner_of_its_slice ? owner_of_its_slice : uid).owner;
}

Found Identifier::identify(const caller::Clues& question, const std::optional<SearchResult>& search) {
  Found found{.identity = known_from(question, users_), .started = 0};
  caller::Identity& identity = found.identity;
  // The socket's own cgroup; a process may have been moved since.
  if (auto path = question.has_cgroup_id ? cgroup_paths_.find(question.cgroup_id) : std::nullopt) {
    identity.cgroup = std::move(*path);
  }
  std::string unknown_because;
  if (question.pid != 0) {
    unknown_because = describe_dialler(found, question);
  } else if (question.inode == 0) {
    unknown_because = "the client has closed its socket";
  } else if (search) {
    unknown_because = describe_holder(found, question, *search);
  } else {
    unknown_because =
        "too many callers at once: the search for processes has used up its share of the processor";
  }
  if (!identity.is_in_doubt) {  // otherwise the reason for the doubt stays
    identity.unknown_because = std::move(unknown_because);
  }
  identity.unit = unit_of(identity.cgroup);
  take_container(identity);
  return found;
}

void Identifier::take_container(caller::Identity& identity) {
  identity.container = container_of(identity.cgroup);
  identity.container_is_verified =
      container_is_verified(identity.cgroup) &&
      cgroup_paths_.only_owner_may_add_below(above_container(identity.cgroup), maker_of_containers_);
  if (identity.container_is_verified) {  // else anybody may have taken the id of another one
    ContainerNames names = containers_.name(identity.container);
    identity.container_name = std::move(names.name);
    identity.container_image = std::move(names.image);
  }
}

// Returns why not all is known. Without the kernel's word of its groups and program, those that it has now
// count, unless something shows that they may not be those that it had.
std::string Identifier::describe_dialler(Found& found, const caller::Clues& question) {
  const auto before = read_credentials(proc_, question.pid);
  const auto process = read_process(proc_, question.pid);
  if (!process && !has_ended(process.error())) {
    return cannot_look_at(question.pid, process.error());
  }
  if (!process || !is_dialler(*process, question)) {
    return "process " + std::to_string(question.pid) + " has ended";
  }
  if (found.identity.cgroup.empty()) {
    found.identity.cgroup = process->cgroup;
  }
  found.started = std::max<std::int64_t>(process->incarnation.started.count(), 1);
  if (question.started != 0) {
    if (!is_program_that_dialled(proc_, *process, question)) {
      return process->program_problem.empty() ? std::string(kAnotherProgram) : process->program_problem;
    }
    take_program(found, *process);
    return "";
  }
  const auto after = read_credentials(proc_, question.pid);
  if (!before || before != after || !before->are_plain() || question.known_uid() != before->uids.front() ||
      before->gids.front() != question.gid) {
    return std::string(kChangedUser);
  }
  take_program(found, *process);
  found.identity.gids = process->gids;
  return process->program_problem;
}

// Of the processes that hold the socket, those who may have dialled: of the user who made it. Fails where one
// of them cannot be looked at.
Result<std::vector<Identifier::Described>> Identifier::read_holders(
    const caller::Clues& question, const std::vector<SocketHolder>& holders) {
  std::vector<Described> read;
  for (const SocketHolder& holder : holders) {
    if (read.size() == kMostHolders) {
      break;
    }
    const auto before = read_credentials(proc_, holder.pid);
    auto process = read_process(proc_, holder.pid);
    if (!process && !has_ended(process.error())) {
      return process.error();
    }
    // Whether it still holds the socket: another process may have its number by now.
    if (process && before && before == read_credentials(proc_, holder.pid) &&
        holds(proc_, holder, question.inode) && (!question.has_uid || before->uids.back() == question.uid) &&
        (question.started == 0 || began_at(*process, question.started))) {
      read.push_back({.process = std::move(*process), .is_plain = before->are_plain()});
    }
  }
  return read;
}

std::string Identifier::describe_holder(Found& found, const caller::Clues& question,
                                        const SearchResult& search) {
  const std::string not_all = "not all processes of its user could be looked at: ";
  if (!search.problem.empty()) {  // it may be whom the socket belongs to, or one more
    return not_all + search.problem;
  }
  const auto of_socket = search.holders.find(question.inode);
  const auto holders = of_socket == search.holders.end() ? std::vector<SocketHolder>() : of_socket->second;
  const Result<std::vector<Described>> read = read_holders(question, holders);
  if (!read) {
    return not_all + read.error().message();
  }
  // No user can make a forbidden one, and one of them alone would keep all of root's callers unknown.
  if (read->empty() && !search.forbidden.empty()) {
    return not_all + search.forbidden;
  }
  if (read->empty()) {
    return "no process of its user has the client's socket open any more";
  }
  const std::size_t count = read->size() == kMostHolders ? holders.size() : read->size();
  return take_holders(found, question, *read, count);
}

// A process that runs a setuid or setgid program may have begun to do so after it dialled; one that is in
// another cgroup than the socket may have dialled from there.
std::string Identifier::take_holders(Found& found, const caller::Clues& question,
                                     const std::vector<Described>& read, std::size_t count) {
  caller::Identity& identity = found.identity;
  identity.is_in_doubt = identity.is_in_doubt && question.agreement != caller::Agreement::unseen;
  const Process& first = read.front().process;
  if (count == 1) {
    identity.pid = first.pid;
    identity.comm = first.comm;
  }
  const bool was_seen = question.started != 0;
  const bool are_together = count == read.size() && are_in_one_cgroup(read);
  const bool is_elsewhere = settle_cgroup(identity, are_together ? first.cgroup : std::string(), was_seen);
  if (!was_seen && !std::ranges::all_of(read, &Described::is_plain)) {
    return std::string(kChangedUser);
  }
  if (was_seen && !is_program_that_dialled(proc_, first, question)) {
    return std::string(kAnotherProgram);
  }
  if (count == 1) {
    take_program(found, first);
    identity.gids = was_seen ? identity.gids : first.gids;
    return is_elsewhere ? std::string(kElsewhere) : first.program_problem;
  }
  if (are_together && run_one_program(read)) {
    identity.program = first.program;
    identity.program_is_verified = first.program_is_verified;
  }
  return "held by " + std::to_string(count) + " processes: " + name_list(read);
}

}  // namespace msi2imds::resolver
