// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// For which identities IMDS gives tokens: for callers that name none, and for each that one has named.
[[nodiscard]] Findings check_identities(const Host& host);

}  // namespace msi2imds::doctor
