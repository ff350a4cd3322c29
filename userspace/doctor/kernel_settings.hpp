// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/case.hpp"
#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// Whether the kernel may give a legacy port to an outgoing connection.
[[nodiscard]] Findings check_reserved_ports(const Case& patient);

}  // namespace msi2imds::doctor
