// SPDX-License-Identifier: MIT
#include "doctor/doctor.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "admin/client.hpp"
#include "admin/shortcoming.hpp"
#include "admin/status.hpp"
#include "base/command.hpp"
#include "cli/callers_report.hpp"
#include "cli/commands.hpp"
#include "cli/document.hpp"
#include "cli/silence.hpp"
#include "doctor/report.hpp"
#include "supervisor/redirect_plan.hpp"
#include "waagent/ports.hpp"

namespace msi2imds::cli {
namespace {

Result<std::string> ask_for_status(const std::string& admin_socket) {
  constexpr std::chrono::seconds kPatience{2};
  return admin::get(admin_socket, std::string(admin::kStatusTarget), kPatience);
}

// Why a msi2imds that runs does not say how it is; empty: it does, or none runs, or we may not ask.
std::string silence_of(const Result<std::string>& status, const std::string& admin_socket) {
  return status || is_forbidden(status.error()) || nobody_listens(status.error())
             ? std::string()
             : explain_silence(status.error(), admin_socket);
}

doctor::ServiceStatus read_status(const Result<std::string>& answer) {
  const Result<admin::Status> status = answer ? admin::parse_status(*answer) : answer.error();
  doctor::ServiceStatus known;
  known.is_known = bool(status);
  if (status) {
    known.container_networks = status->container_networks;
    const auto failure = std::ranges::find_if(status->remarks, [](const std::string& remark) {
      return remark.starts_with(admin::kContainersFailure);
    });
    known.containers_failure =
        failure == status->remarks.end() ? "" : failure->substr(admin::kContainersFailure.size());
  }
  return known;
}

}  // namespace

int doctor(const ConfigFile& file, const DoctorOptions& options) {
  auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  (void)waagent::settle_ports(*config);  // its words are for the log of `run`
  const Result<CallersReport> callers = make_report(*config);
  const usage::Table nobody;
  const bool may_ask = callers || !is_forbidden(callers.error());
  const Result<std::string> status = ask_for_status(config->admin.socket);
  const std::string silence = silence_of(status, config->admin.socket);
  const std::optional<bool> is_running =
      may_ask ? std::optional((callers && callers->running) || !silence.empty()) : std::nullopt;
  SystemCommandRunner commands;
  const doctor::Host host{.config = *config,
                          .plan = supervisor::redirect_plan(*config),
                          .callers = callers ? callers->table : nobody,
                          .knows_callers = may_ask,
                          .is_running = is_running,
                          .silence = silence,
                          .status = read_status(status),
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
