// SPDX-License-Identifier: MIT
#include "doctor/exec_steps.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace msi2imds::doctor {
namespace {

constexpr int kFirst = 200;

// systemd.exec(5), "Process Exit Codes", in their order; "-": none. Versions only add to them.
constexpr std::string_view kSteps =
    "CHDIR NICE FDS EXEC MEMORY LIMITS OOM_ADJUST SIGNAL_MASK STDIN STDOUT CHROOT IOPRIO TIMERSLACK "
    "SECUREBITS "
    "SETSCHEDULER CPUAFFINITY GROUP USER CAPABILITIES CGROUP SETSID CONFIRM STDERR TCPWRAP PAM NETWORK "
    "NAMESPACE "
    "NO_NEW_PRIVILEGES SECCOMP SELINUX_CONTEXT PERSONALITY APPARMOR_PROFILE ADDRESS_FAMILIES "
    "RUNTIME_DIRECTORY - "
    "CHOWN SMACK_PROCESS_LABEL KEYRING STATE_DIRECTORY CACHE_DIRECTORY LOGS_DIRECTORY "
    "CONFIGURATION_DIRECTORY "
    "NUMA_POLICY CREDENTIALS - BPF";

struct Remedy {
  std::string_view step;
  std::string_view text;
};

constexpr std::array kRemedies = {
    Remedy{"EXEC",
           "The program is missing, may not be executed, or has a wrong SELinux label: install the package "
           "again, or run restorecon -v /usr/sbin/msi2imds."},
    Remedy{"NAMESPACE",
           "systemd could not mount a path that a line such as ReadWritePaths= names: it is missing, or "
           "SELinux forbids it (ausearch -m avc). Correct that line in a drop-in."},
    Remedy{"SECCOMP",
           "systemd could not load a filter of system calls. Correct SystemCallFilter= in a drop-in."},
    Remedy{"CAPABILITIES", "systemd may not pass on the capabilities: in a container, it needs them itself."},
    Remedy{"RUNTIME_DIRECTORY", "systemd could not make /run/msi2imds: see what is at that path."},
    Remedy{"STATE_DIRECTORY", "systemd could not make /var/lib/msi2imds: see what is at that path."},
    Remedy{"LOGS_DIRECTORY", "systemd could not make /var/log/msi2imds: see what is at that path."},
};

}  // namespace

std::string_view step_of(int exit_status) {
  std::string_view rest = kSteps;
  for (int status = kFirst; status < exit_status && !rest.empty(); ++status) {
    rest.remove_prefix(std::min(rest.size(), rest.find(' ')));
    rest.remove_prefix(std::min<std::size_t>(rest.size(), 1));
  }
  const std::string_view step = rest.substr(0, rest.find(' '));
  return exit_status < kFirst || step == "-" ? std::string_view() : step;
}

std::string_view remedy_of(std::string_view step) {
  const auto* const found = std::ranges::find(kRemedies, step, &Remedy::step);
  return found == kRemedies.end() ? std::string_view() : found->text;
}

}  // namespace msi2imds::doctor
