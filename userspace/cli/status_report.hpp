// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "admin/status.hpp"
#include "cli/self_test.hpp"
#include "config/config.hpp"
#include "waagent/extension.hpp"

namespace msi2imds::cli {

// What is in force, as `status` shows it.
struct StatusReport {
  std::optional<admin::Status> status;  // none: nobody answered
  std::optional<waagent::Extension> extension;
  std::vector<SelfTest> tests;
  bool intercepting = false;
  bool observing = false;  // as it was asked to, instead
  std::string reason;      // why not
};

// Asks the running msi2imds, and dials the legacy ports as a client would.
[[nodiscard]] StatusReport look(const config::Config& config);

}  // namespace msi2imds::cli
