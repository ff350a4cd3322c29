// SPDX-License-Identifier: MIT
#include "doctor/doctor.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include "base/command.hpp"
#include "cli/callers_report.hpp"
#include "cli/commands.hpp"
#include "doctor/report.hpp"
#include "supervisor/redirect_plan.hpp"
#include "waagent/ports.hpp"

namespace msi2imds::cli {

int doctor(const ConfigFile& file, const DoctorOptions& options) {
  auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  (void)waagent::settle_ports(*config);  // its words are for the log of `run`
  const Result<CallersReport> callers = make_report(*config);
  const usage::Table nobody;
  SystemCommandRunner commands;
  const doctor::Host host{.config = *config,
                          .plan = supervisor::redirect_plan(*config),
                          .callers = callers ? callers->table : nobody,
                          .is_running = callers && callers->running,
                          .is_root = ::geteuid() == 0,
                          .root = {},
                          .commands = commands};
  const doctor::Findings findings = doctor::examine(host);
  fmt::print("{}", options.json ? doctor::to_json(findings) + "\n" : doctor::to_text(findings));
  return doctor::worst_of(findings) == doctor::Level::error ? kFailed : kGood;
}

}  // namespace msi2imds::cli
