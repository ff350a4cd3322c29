// SPDX-License-Identifier: MIT
#include "doctor/doctor.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include "base/command.hpp"
#include "cli/callers_report.hpp"
#include "cli/commands.hpp"
#include "cli/document.hpp"
#include "cli/silence.hpp"
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
  const bool may_ask = callers || !is_forbidden(callers.error());
  const std::optional<bool> is_running = may_ask ? std::optional(callers && callers->running) : std::nullopt;
  SystemCommandRunner commands;
  const doctor::Host host{.config = *config,
                          .plan = supervisor::redirect_plan(*config),
                          .callers = callers ? callers->table : nobody,
                          .knows_callers = may_ask,
                          .is_running = is_running,
                          .is_root = ::geteuid() == 0,
                          .root = {},
                          .commands = commands};
  const doctor::Findings findings = doctor::examine(host);
  if (options.json) {
    print_document(doctor::to_json(findings));
  } else {
    fmt::print("{}", doctor::to_text(findings));
  }
  switch (doctor::worst_of(findings)) {
    case doctor::Level::error:
      return kFailed;
    case doctor::Level::unknown:
      return kUnknown;
    case doctor::Level::warning:
    case doctor::Level::ok:
      break;
  }
  return kGood;
}

}  // namespace msi2imds::cli
