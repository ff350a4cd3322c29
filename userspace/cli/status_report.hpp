// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "admin/status.hpp"
#include "cli/commands.hpp"
#include "cli/self_test.hpp"
#include "config/config.hpp"
#include "supervisor/units.hpp"
#include "waagent/extension.hpp"

namespace msi2imds::cli {

struct SupervisorProcess {
  pid_t pid = 0;
  std::vector<std::string> capabilities;  // their names
};

// What is in force, as `status` shows it.
struct StatusReport {
  std::optional<admin::Status> status;  // none: nobody answered
  std::optional<waagent::Extension> extension;
  bool is_extension_known = true;  // else we are not permitted to look
  std::optional<SupervisorProcess> supervisor;
  std::vector<SelfTest> tests;
  bool is_known = true;  // else we are not permitted to ask, and the next two say nothing
  bool intercepting = false;
  bool observing = false;      // as it was asked to, instead
  std::string reason;          // why not
  std::string not_as_enabled;  // how this differs from what systemd is to have at boot; empty: it does not

  [[nodiscard]] bool is_good() const {
    const bool is_imds_as_it_should = !status || status->direct_imds.state != "not_closed";
    return (intercepting || observing) && not_as_enabled.empty() && is_imds_as_it_should;
  }
};

// Asks the running msi2imds, and dials the legacy ports as a client would.
[[nodiscard]] StatusReport look(const config::Config& config);

// The same, and what systemd is to have at boot, whose units know the default configuration alone.
[[nodiscard]] StatusReport look_at_all(const ConfigFile& file, const config::Config& config);

// Where the configuration on disk is wrong: says on stderr whether msi2imds serves all the same, by the one
// that it has read. Only where it has the default admin socket; else nothing.
void tell_what_runs_meanwhile();

// What is in force against what systemd is to have at boot: a sentence on the difference, with what to do;
// empty: none.
[[nodiscard]] std::string compare_with_enabled(const StatusReport& report, const supervisor::Units& units);

}  // namespace msi2imds::cli
