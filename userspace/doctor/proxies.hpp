// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

// Whether callers that still run would send requests for localhost to a proxy. Reads what other processes
// are.
[[nodiscard]] Findings check_proxies(const Host& host);

// Of an environment whose variables end in `separator`: there is a proxy for HTTP, and no exception for
// localhost.
[[nodiscard]] bool sends_localhost_to_proxy(std::string_view environment, char separator);

}  // namespace msi2imds::doctor
