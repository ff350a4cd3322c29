// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace msi2imds::doctor {

struct RunningProcess {
  pid_t pid = 0;
  std::string comm;  // as the process chose it, at most 15 characters
};

// Of this PID namespace.
[[nodiscard]] std::vector<RunningProcess> list_processes(const std::string& proc);

// The first by one of these names; those longer than the kernel keeps are found by what it does keep.
[[nodiscard]] std::optional<RunningProcess> find_by_name(const std::vector<RunningProcess>& processes,
                                                         std::initializer_list<std::string_view> names);

// For people: "nginx (pid 812, /usr/sbin/nginx, nginx.service)". A hostile process can make this take for
// ever.
[[nodiscard]] std::string describe_process(const std::string& proc, pid_t pid);

}  // namespace msi2imds::doctor
