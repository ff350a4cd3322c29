// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/case.hpp"
#include "doctor/finding.hpp"

namespace msi2imds::doctor {

// Whether the responder can become its user in this user namespace. Nothing, where it can.
[[nodiscard]] Findings check_user_namespace(const Case& patient);

}  // namespace msi2imds::doctor
