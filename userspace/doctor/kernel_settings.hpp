// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Whether the kernel may give a legacy port to an outgoing connection.
[[nodiscard]] Findings check_reserved_ports(const Host& host);

}  // namespace msi2imds::doctor
