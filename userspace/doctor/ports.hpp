// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Who holds the legacy ports, and the one that we listen on. Reads what other processes are.
[[nodiscard]] Findings check_ports(const Host& host);

}  // namespace msi2imds::doctor
