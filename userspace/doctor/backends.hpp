// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "doctor/finding.hpp"
#include "doctor/host.hpp"

namespace msi2imds::doctor {

struct Backends {
  Findings findings;
  std::string taken;  // which one `run` would use; empty: none
};

// Which ways of redirecting this kernel allows, found out by trying.
[[nodiscard]] Backends check_backends(const Host& host);

// The same for these ones, the best first.
[[nodiscard]] Backends check_backends(const Host& host,
                                      const std::vector<std::unique_ptr<redirect::Redirector>>& redirectors);

}  // namespace msi2imds::doctor
