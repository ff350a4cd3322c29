// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Whether the responder can become its user: there is one, who is not root, also in this user namespace.
// Nothing, where it can.
[[nodiscard]] Findings check_user(const Host& host);

}  // namespace msi2imds::doctor
