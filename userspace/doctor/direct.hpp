// SPDX-License-Identifier: MIT
#pragma once

#include "base/error.hpp"
#include "doctor/finding.hpp"
#include "doctor/host.hpp"
#include "migration/imds.hpp"

namespace msi2imds::doctor {

// Whether callers whom the rules refuse can ask IMDS itself, tried as such a user where msi2imds runs, and
// what of an earlier msi2imds closes it. Says nothing where nobody is refused and nothing is left.
[[nodiscard]] Findings check_direct(const Host& host, const Result<migration::Instance>& instance);

}  // namespace msi2imds::doctor
