// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/case.hpp"
#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// For which identities IMDS gives tokens: for callers that name none, and for each that one has named.
[[nodiscard]] Findings check_identities(const Case& patient);

}  // namespace msi2imds::doctor
