// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "supervisor/port_list.hpp"

namespace msi2imds::supervisor {

// The ports that this machine's settings reserve at each boot and whenever somebody applies them: those that
// /etc/sysctl.conf and the files of sysctl.d name for net.ipv4.ip_local_reserved_ports. A file that another
// one replaces counts, too. `root`: where the machine's files are.
[[nodiscard]] PortSet ports_reserved_by_settings(const std::string& root = "/");

}  // namespace msi2imds::supervisor
