// SPDX-License-Identifier: MIT
#include "resolver/process.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <sstream>
#include <string_view>

#include "base/directory.hpp"
#include "base/same_file.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "resolver/redact.hpp"

namespace msi2imds::resolver {
namespace {

constexpr std::size_t kMostGroups = 32;
constexpr std::string_view kDeleted = " (deleted)";

Result<std::string> read_file(const std::string& path, std::size_t max_size) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) {
    return Error::from_errno(errno, "open " + path);
  }
  std::string text(max_size, '\0');
  std::size_t size = 0;
  while (size < max_size) {
    const ssize_t count = ::read(file.get(), text.data() + size, max_size - size);
    if (count < 0) {
      return Error::from_errno(errno, "read " + path);
    }
    if (count == 0) {
      break;
    }
    size += static_cast<std::size_t>(count);
  }
  text.resize(size);
  return text;
}

// Empty where there is none: not every kernel has each.
Result<std::string> read_if_there(const std::string& path, std::size_t max_size) {
  Result<std::string> text = read_file(path, max_size);
  return !text && has_ended(text.error()) ? Result<std::string>(std::string()) : text;
}

std::string read_link(const std::string& path) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  // One that fills the buffer may have been cut.
  return size > 0 && static_cast<std::size_t>(size) < target.size()
             ? std::string(target.data(), static_cast<std::size_t>(size))
             : std::string();
}

// Where the paths of a process lead that lives in our mount namespace, or in the machine's: systemd gives us
// one of our own. Nothing: elsewhere.
std::optional<std::string> root_of(const std::string& proc, const std::string& process) {
  const std::string its = read_link(process + "/ns/mnt");
  if (its.empty()) {
    return std::nullopt;
  }
  if (its == read_link(proc + "/self/ns/mnt")) {
    return "";
  }
  return its == read_link(proc + "/1/ns/mnt") ? std::optional(proc + "/1/root") : std::nullopt;
}

FileId file_id_of(const std::string& path) {
  struct stat status {};
  const bool is_there = ::stat(path.c_str(), &status) == 0;
  return is_there ? FileId{.device = status.st_dev, .inode = status.st_ino} : FileId();
}

bool are_names_of_one_file(const std::string& one, const std::string& other) {
  struct stat first {};
  struct stat second {};
  return ::stat(one.c_str(), &first) == 0 && ::stat(other.c_str(), &second) == 0 &&
         is_same_file(first, second);
}

// proc(5): "pid (comm) state ppid ..."; comm may hold anything, parentheses too.
std::vector<std::string> stat_fields(const std::string& text) {
  const std::size_t end = text.rfind(')');
  std::istringstream rest(end == std::string::npos ? std::string() : text.substr(end + 1));
  return {std::istream_iterator<std::string>(rest), {}};
}

std::uint64_t to_number(const std::string& text) {
  return std::strtoull(text.c_str(), nullptr, 10);
}

// The arguments as one line, without secrets. One that was cut may end within a secret, and goes.
std::string command_line_of(const std::string& text) {
  std::vector<std::string> arguments;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, '\0');) {
    arguments.push_back(part);
  }
  if (text.size() == kLongestCommandLine && !arguments.empty()) {
    arguments.back() = "...";
  }
  std::string line;
  for (const std::string& argument : redact(arguments)) {
    line += (line.empty() ? "" : " ") + argument;
  }
  if (line.size() > kLongestCommandLine) {
    line.resize(kLongestCommandLine);
  }
  return line;
}

// "Gid: real effective saved file" and "Groups: ..."
std::vector<gid_t> read_groups(const std::string& status) {
  std::vector<gid_t> groups;
  std::istringstream lines(status);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (name == "Gid:") {
      gid_t real = 0;
      gid_t effective = 0;
      if (words >> real >> effective) {
        groups.push_back(effective);
      }
    } else if (name == "Groups:") {
      for (gid_t group = 0; groups.size() <= kMostGroups && words >> group;) {
        groups.push_back(group);
      }
    }
  }
  return groups;
}

// cgroup2's line, or that of systemd's own hierarchy where the host has none for processes.
std::string read_cgroup(const std::string& text) {
  std::string unified;
  std::string of_systemd;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("0::")) {
      unified = line.substr(3);
    } else if (const std::size_t name = line.find(":name=systemd:"); name != std::string::npos) {
      of_systemd = line.substr(name + std::string_view(":name=systemd:").size());
    }
  }
  return unified.empty() || unified == "/" ? (of_systemd.empty() ? unified : of_systemd) : unified;
}

void read_program(Process& process, const std::string& proc, const std::string& directory) {
  const std::string exe = directory + "/exe";
  errno = 0;
  process.program = read_link(exe);
  if (process.program.empty() && errno != 0 && errno != ENOENT) {
    process.program_problem = Error::from_errno(errno, "its program cannot be looked at").message();
  }
  process.program_file = file_id_of(exe);
  const std::optional<std::string> root = root_of(proc, directory);
  process.program_is_verified = root && process.program.starts_with('/') &&
                                !process.program.ends_with(kDeleted) &&
                                are_names_of_one_file(exe, *root + process.program);
  process.root = root.value_or("");
}

Error changed(pid_t pid) {
  return Error::from_errno(ESRCH, "look at process " + std::to_string(pid));
}

}  // namespace

std::vector<pid_t> list_pids(const std::string& proc) {
  const Directory directory(::opendir(proc.c_str()));
  std::vector<pid_t> pids;
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    if (const auto pid = parse_number<pid_t>(static_cast<const char*>(entry->d_name))) {
      pids.push_back(*pid);
    }
  }
  return pids;
}

bool has_ended(const Error& error) {
  return error.code() == boost::system::errc::no_such_process ||
         error.code() == boost::system::errc::no_such_file_or_directory;
}

Result<Incarnation> read_incarnation(const std::string& proc, pid_t pid) {
  const Result<std::string> stat = read_file(proc + "/" + std::to_string(pid) + "/stat", 4096);
  if (!stat) {
    return stat.error();
  }
  const std::vector<std::string> fields = stat_fields(*stat);
  // fields[0] is field 3 of proc_pid_stat(5), and field 48 is the last one that is used.
  if (fields.size() < 46 || fields[0] == "Z" || fields[0] == "X") {
    return changed(pid);
  }
  const auto ticks_per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  const std::chrono::nanoseconds tick(1'000'000'000 / ticks_per_second);
  return Incarnation{.started = tick * to_number(fields[19]),
                     .code = to_number(fields[23]),
                     .arguments = to_number(fields[45])};
}

Result<Process> read_process(const std::string& proc, pid_t pid) {
  const std::string directory = proc + "/" + std::to_string(pid);
  const Result<Incarnation> before = read_incarnation(proc, pid);
  const Result<std::string> comm = read_if_there(directory + "/comm", 64);
  const Result<std::string> status = read_if_there(directory + "/status", 16384);
  const Result<std::string> cgroup = read_if_there(directory + "/cgroup", 16384);
  if (!before) {
    return before.error();
  }
  for (const Result<std::string>* text : {&comm, &status, &cgroup}) {
    if (!*text) {
      return text->error();
    }
  }
  Process process;
  process.pid = pid;
  process.incarnation = *before;
  process.comm = comm->ends_with('\n') ? comm->substr(0, comm->size() - 1) : *comm;
  process.gids = read_groups(*status);
  process.cgroup = read_cgroup(*cgroup);
  read_program(process, proc, directory);
  const Result<Incarnation> after = read_incarnation(proc, pid);
  if (!after) {
    return after.error();
  }
  return *after == *before && read_link(directory + "/exe") == process.program ? Result<Process>(process)
                                                                               : changed(pid);
}

std::string read_command_line(const std::string& proc, pid_t pid, const Incarnation& expected) {
  const Result<std::string> text =
      read_file(proc + "/" + std::to_string(pid) + "/cmdline", kLongestCommandLine);
  const Result<Incarnation> now = read_incarnation(proc, pid);
  return text && now && *now == expected ? command_line_of(*text) : std::string();
}

}  // namespace msi2imds::resolver
