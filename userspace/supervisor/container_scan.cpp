// SPDX-License-Identifier: MIT
#include "supervisor/container_scan.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/directory.hpp"
#include "base/text.hpp"
#include "resolver/unit.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr int kDeepest = 16;
constexpr std::size_t kMostCgroups = 16384;
// Of a container: whoever looks at more looks for long.
constexpr std::size_t kMostProcesses = 64;
constexpr std::size_t kMostBelow = 64;

UniqueFd open_below(int directory, const char* name) {
  return UniqueFd(::openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Calls `take` with the name of each directory in it; false: no more of them.
template <typename Take>
void for_each_below(const UniqueFd& directory, const Take& take) {
  UniqueFd listed = open_below(directory.get(), ".");
  const Directory entries(listed ? ::fdopendir(listed.get()) : nullptr);
  if (entries == nullptr) {
    return;
  }
  (void)listed.release();
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name(static_cast<const char*>(entry->d_name));
    if (entry->d_type == DT_DIR && name != "." && name != ".." && !take(entry->d_name)) {
      return;
    }
  }
}

// The first ones in it, and of cgroups below it. Processes of another PID namespace than ours have no number.
void add_processes(const UniqueFd& cgroup, std::size_t& cgroups, std::vector<pid_t>& processes) {
  std::array<char, 1024> text{};
  const UniqueFd file(::openat(cgroup.get(), "cgroup.procs", O_RDONLY | O_CLOEXEC));
  const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : -1;
  std::string_view rest(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const auto pid = parse_number<pid_t>(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    if (pid.value_or(0) > 0 && processes.size() < kMostProcesses) {
      processes.push_back(*pid);
    }
  }
  for_each_below(cgroup, [&](const char* name) {
    if (processes.size() >= kMostProcesses || ++cgroups >= kMostBelow) {
      return false;
    }
    if (const UniqueFd below = open_below(cgroup.get(), name)) {
      add_processes(below, cgroups, processes);
    }
    return true;
  });
}

std::vector<pid_t> processes_of(const UniqueFd& cgroup) {
  std::vector<pid_t> processes;
  std::size_t cgroups = 0;
  add_processes(cgroup, cgroups, processes);
  return processes;
}

class Scan {
 public:
  explicit Scan(const std::vector<NetworkName>& known) : known_(known) {}

  void look(const UniqueFd& directory, const std::string& path, int depth) {
    for_each_below(directory, [&](const char* name) {
      const std::string below_path = path + "/" + name;
      if (++cgroups_ > kMostCgroups) {
        return false;
      }
      const bool is_container = !resolver::container_of(name).empty();
      if (!is_container && (depth >= kDeepest || !resolver::unit_of(below_path).empty())) {
        return true;
      }
      const UniqueFd below = open_below(directory.get(), name);
      if (below && is_container) {
        add(below);
      } else if (below) {
        look(below, below_path, depth + 1);
      }
      return true;
    });
  }

  [[nodiscard]] std::vector<ContainerNetwork> take() {
    return std::move(found_);
  }

 private:
  void add(const UniqueFd& cgroup) {
    struct stat status {};
    std::optional<pid_t> first;
    std::optional<NetworkName> known;
    for (const pid_t pid : processes_of(cgroup)) {
      const auto network = network_of(pid);
      if (!network || network == own_) {
        continue;
      }
      if (std::ranges::find(known_, *network) != known_.end()) {
        known = network;
        break;
      }
      first = first ? first : pid;
    }
    if ((!known && !first) || !own_ || ::fstat(cgroup.get(), &status) != 0) {
      return;
    }
    if (known) {
      found_.push_back({.cgroup = status.st_ino, .network = *known, .open_network = {}});
      return;
    }
    UniqueFd open = open_network(*first);
    const auto network = network_of(open);
    // Another process may have had the number when that was opened.
    const std::vector<pid_t> now = processes_of(cgroup);
    if (network && network != own_ && std::ranges::find(now, *first) != now.end()) {
      found_.push_back({.cgroup = status.st_ino, .network = *network, .open_network = std::move(open)});
    }
  }

  const std::vector<NetworkName>& known_;
  const std::optional<NetworkName> own_ = own_network();
  std::size_t cgroups_ = 0;
  std::vector<ContainerNetwork> found_;
};

}  // namespace

std::vector<ContainerNetwork> find_container_networks(int root, const std::vector<NetworkName>& known) {
  Scan scan(known);
  if (const UniqueFd top = open_below(root, ".")) {
    scan.look(top, "", 0);
  }
  return scan.take();
}

}  // namespace msi2imds::supervisor
