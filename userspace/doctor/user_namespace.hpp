// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Whether the responder can become its user in this user namespace. Nothing, where it can.
[[nodiscard]] Findings check_user_namespace(const Host& host);

}  // namespace msi2imds::doctor
