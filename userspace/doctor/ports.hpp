// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Who holds the legacy ports, and the one that we listen on. Reads what other processes are.
[[nodiscard]] Findings check_ports(const Host& host);

// Whether the extension has a port that we would need for ourselves. `backend`: which one is taken.
[[nodiscard]] Findings check_port_of_extension(const Host& host, const std::string& backend);

}  // namespace msi2imds::doctor
