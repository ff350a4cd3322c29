// SPDX-License-Identifier: MIT
#pragma once

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Whether callers whom the rules refuse can ask IMDS itself, tried as such a user where msi2imds runs, and
// what of an earlier msi2imds closes it. Says nothing where nobody is refused and nothing is left.
[[nodiscard]] Findings check_direct(const Host& host, bool imds_answers);

}  // namespace msi2imds::doctor
