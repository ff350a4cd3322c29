// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// What legacy.container_networks opens, and to whom at present. Nothing where it chooses nobody.
[[nodiscard]] Findings check_containers(const Host& host);

}  // namespace msi2imds::doctor
