// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/case.hpp"
#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// Who holds the legacy ports, and the one that we listen on. Reads what other processes are.
[[nodiscard]] Findings check_ports(const Case& patient);

}  // namespace msi2imds::doctor
