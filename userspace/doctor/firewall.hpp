// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Rules of others that keep a backend from redirecting, or that do not bind with it. `backend`: which one is
// taken, empty for none that works.
[[nodiscard]] Findings check_firewall(const Host& host, const std::string& backend);

}  // namespace msi2imds::doctor
