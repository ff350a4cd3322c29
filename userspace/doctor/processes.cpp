// SPDX-License-Identifier: MIT
#include "doctor/processes.hpp"

#include <algorithm>

#include "doctor/files.hpp"
#include "resolver/process.hpp"
#include "resolver/unit.hpp"

namespace msi2imds::doctor {
namespace {

constexpr std::size_t kLongestComm = 15;

}  // namespace

std::vector<RunningProcess> list_processes(const std::string& proc) {
  std::vector<RunningProcess> processes;
  for (const pid_t pid : resolver::list_pids(proc)) {
    std::string comm = read_text(proc + "/" + std::to_string(pid) + "/comm", 64);
    if (comm.ends_with('\n')) {
      comm.pop_back();
    }
    if (!comm.empty()) {
      processes.push_back({pid, std::move(comm)});
    }
  }
  return processes;
}

std::optional<RunningProcess> find_by_name(const std::vector<RunningProcess>& processes,
                                           std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const auto found = std::ranges::find(processes, name.substr(0, kLongestComm), &RunningProcess::comm);
    if (found != processes.end()) {
      return *found;
    }
  }
  return std::nullopt;
}

std::string describe_process(const std::string& proc, pid_t pid) {
  std::string details = "pid " + std::to_string(pid);
  const auto process = resolver::read_process(proc, pid);
  if (!process) {
    return details;
  }
  for (const std::string& detail : {process->program, resolver::unit_of(process->cgroup)}) {
    details += detail.empty() ? "" : ", " + detail;
  }
  return process->comm + " (" + details + ")";
}

}  // namespace msi2imds::doctor
