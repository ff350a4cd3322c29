// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Other programs that have to do with IMDS or look like the extension, and firewalls.
[[nodiscard]] Findings check_neighbours(const Host& host);

}  // namespace msi2imds::doctor
